// The AWS SDK for JavaScript v3, unmodified: every operation once; prints what came back as one line of JSON.
import { createRequire } from "node:module";
const require = createRequire(process.env.MODULES + "/");
const sdk = require("@aws-sdk/client-sesv2");

const client = new sdk.SESv2Client({ maxAttempts: 1 });
const Name = { EmailIdentity: "js.example" };
const told = [];

async function ask(command, input) {
  try {
    const { $metadata, ...answer } = await client.send(new sdk[command + "Command"](input));
    told.push([command, $metadata.httpStatusCode, answer, typeof $metadata.requestId]);
  } catch (error) {
    told.push([command, error.$metadata?.httpStatusCode, error.name, error.message]);
  }
}

const own = { DomainSigningSelector: "s1", DomainSigningPrivateKey: process.env.OWN_KEY };
await ask("CreateEmailIdentity", Name);
await ask("CreateEmailIdentity", Name);
await ask("PutEmailIdentityDkimSigningAttributes", { ...Name, SigningAttributesOrigin: "EXTERNAL", SigningAttributes: own });
await ask("PutEmailIdentityDkimSigningAttributes", { ...Name, SigningAttributesOrigin: "AWS_SES" });
await ask("PutEmailIdentityDkimSigningAttributes", { ...Name, SigningAttributesOrigin: "EXTERNAL" });
await ask("PutEmailIdentityDkimAttributes", { ...Name, SigningEnabled: false });
await ask("GetEmailIdentity", Name);
await ask("GetEmailIdentity", { EmailIdentity: "a+b ~'(*)!@js.example" });
await ask("ListEmailIdentities", { PageSize: 5 });
const Destination = { ToAddresses: ["b@example.net"] };
await ask("SendEmail", { Destination, Content: { Raw: { Data: Buffer.from("From: a@nobody.example\r\n\r\nx") } } });
await ask("CreateContactList", { ContactListName: "x" });
await ask("DeleteEmailIdentity", Name);
await ask("DeleteEmailIdentity", Name);
console.log(JSON.stringify(told));
