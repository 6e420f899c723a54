// mailauth, answering line by line; its resolver is the keys of the request.
'use strict';

const readline = require('node:readline');
const { dkimVerify } = require('mailauth/lib/dkim/verify');

async function results(request) {
    const resolver = async (name, type) => {
        const text = request.keys[name.toLowerCase()];
        if (type !== 'TXT' || text === undefined) {
            throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
        }
        return [text.match(/[^]{1,255}/g) || ['']];
    };
    const found = await dkimVerify(Buffer.from(request.message, 'base64'), { resolver });
    return found.results.filter(each => each.signingDomain).map(each => {
        const status = each.status.result;
        return status === 'pass' ? 'pass' : `${status}: ${each.status.comment || ''}`;
    });
}

async function main() {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const request = JSON.parse(line);
        let reply;
        try {
            reply = { results: await results(request) };
        } catch (error) {
            reply = { error: String(error.stack) };
        }
        process.stdout.write(JSON.stringify(reply) + '\n');
    }
}

main();
