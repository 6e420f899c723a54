// nodemailer against the submission port: one plain mail, one with everything; prints the answers as JSON.
import { createRequire } from "node:module";
const require = createRequire(process.env.MODULES + "/");
const nodemailer = require("nodemailer");

const transport = nodemailer.createTransport({
  host: "localhost",
  port: Number(process.env.PORT),
  secure: process.env.SECURE === "yes",
  requireTLS: true,
  auth: { user: process.env.USER_NAME, pass: process.env.PASSWORD },
  tls: { ca: [require("node:fs").readFileSync(process.env.CA, "utf8")] },
});
const from = "Hello <hello@example.com>";
const told = [];
for (const mail of [
  { from, to: "you@example.org", subject: "plain", text: "hello\n.\n..two\n" },
  {
    from,
    to: "you@example.org",
    cc: "They <they@example.org>",
    bcc: "secret@example.org",
    subject: "Grüße aus Köln",
    text: "Grüße",
    html: "<p>Grüße</p>",
    attachments: [{ filename: "ä.bin", content: Buffer.from([0, 1, 2, 13, 10, 46, 13, 10]) }],
  },
  { from: "ceo@bank.example", to: "you@example.org", subject: "no", text: "no" },
]) {
  try {
    const answer = await transport.sendMail(mail);
    told.push([answer.response, answer.accepted]);
  } catch (error) {
    told.push([error.response, []]);
  }
}
transport.close();
console.log(JSON.stringify(told));
