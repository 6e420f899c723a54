// The AWS SDK for JavaScript v3, unmodified: the bare-bones client of PutEmailIdentityDkimSigningAttributesCommand's page.
// Reads one JSON object a line, { command, input }, and writes one: { response } or { error: { name, message, status } }.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../.dev/npm/", import.meta.url));
const sesv2 = require("@aws-sdk/client-sesv2");

const config = {}; // endpoint, region and credentials come from the AWS_* variables
const client = new sesv2.SESv2Client(config);

for await (const line of createInterface({ input: process.stdin })) {
  const { command: name, input } = JSON.parse(line);
  let answer;
  try {
    const command = new sesv2[name](input);
    const response = await client.send(command);
    delete response.$metadata;
    answer = { response };
  } catch (error) {
    answer = { error: { name: error.name, message: error.message, status: error.$metadata?.httpStatusCode } };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
