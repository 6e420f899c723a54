"""The story, one function a step: from the first call to a key that changed twice, with no mail unsigned.

Rule: a step that does not go as told raises; whatever was not shown by then stays red in the table.
"""

from __future__ import annotations

from mails import DOMAIN, Traffic
from sdks import Refused
from stage import Broken, Stage, own_key


def play(stage: Stage) -> None:
    """All steps in their order."""
    create(stage)
    publish_and_prove(stage)
    send_one(stage)
    switch_there_and_back(stage)
    rotate(stage)
    shorten(stage)
    lengthen(stage)
    delete_and_return(stage)


def create(stage: Stage) -> None:
    """NOT_STARTED in the answer, PENDING at the next look."""
    with stage.screen.step(f"Create {DOMAIN}", "boto3") as step:
        step.asked(f"CreateEmailIdentity {DOMAIN}")
        told = stage.boto3.call("CreateEmailIdentity", EmailIdentity=DOMAIN)["DkimAttributes"]
        step.came(f"{told['Status']}, tokens {', '.join(token[:8] + '…' for token in told['Tokens'])}")
        step.asked(f"GetEmailIdentity {DOMAIN}")
        now = stage.attributes()
        step.came(f"{now['Status']}, {now['NextSigningKeyLength']}, zone {now['SigningHostedZone']}")
    if told["Status"] != "NOT_STARTED" or now["Status"] != "PENDING" or len(set(told["Tokens"])) != 3:
        raise Broken("the new identity is not as SES would have it")
    stage.tokens = told["Tokens"]
    stage.tick("created")


def publish_and_prove(stage: Stage) -> None:
    """The owner publishes three CNAMEs; two rounds of checks 5 s apart make SUCCESS."""
    with stage.screen.step("Publish the three CNAMEs, as the domain's owner", "owner") as step:
        step.asked(f"three records in the zone {DOMAIN}")
        zone = stage.attributes()["SigningHostedZone"]
        for token in stage.tokens:
            record = {"name": f"{token}._domainkey.{DOMAIN}", "type": "CNAME", "values": [f"{token}.{zone}"]}
            stage.sandbox.ask("PUT", "/sandbox/dns", body=record)
            step.came(f"{token}._domainkey.{DOMAIN}\n           CNAME {token}.{zone}")
    with stage.screen.step("Wait for the checks: authority, then resolver, twice", "Mailseal") as step:
        step.asked(f"GetEmailIdentity {DOMAIN}, the clock moved on by seconds")
        now = stage.until("SUCCESS", lambda found: found["Status"] == "SUCCESS")
        step.came(f"{now['Status']}, {now['CurrentSigningKeyLength']} in use")
    stage.tick("proven")


def send_one(stage: Stage) -> None:
    """One mail of each kind, from the API to the mailbox, and what strangers say to them."""
    with stage.screen.step("Send two mails, one Simple, one Raw", "boto3") as step:
        step.asked(f"SendEmail from news@{DOMAIN} to you@example.net, twice")
        ids = [stage.post.send("The first") for _ in range(2)]
        step.came(f"MessageId {ids[0]}")
        mails = stage.post.mails()
        step.came(f"{len(mails)} in the mailbox, signed with s={stage.post.selector()[:8]}…")
    if len(mails) != 2 or stage.post.selector() not in stage.tokens:
        raise Broken("the mail did not arrive signed with the identity's key")
    stage.tick("sent")
    with stage.screen.step("Verify it, the key fetched through DNS", stage.judges[0].name) as step:
        step.asked(f"{stage.judged_by()}: {len(mails)} mails from the mailbox")
        step.came(f"{stage.judge_all()} verified")
    stage.tick("verified")


def switch_there_and_back(stage: Stage) -> None:
    """To a key of the customer's own and back, with mail going out all the time."""
    with Traffic(stage.post, "During the switch") as traffic:
        to_own_key(stage, traffic)
        back_to_easy(stage)
        traffic.wait_until(stage.switch_mails)
    with stage.screen.step("Verify all mail that went out meanwhile", stage.judges[0].name) as step:
        step.asked(f"{stage.judged_by()}: all mail since then from the mailbox")
        verified = stage.judge_all()
        step.came(f"{verified} verified, {stage.counts.unsigned} unsigned")
    wrong = f"{stage.counts.unsigned} unsigned" + (
        f", {len(traffic.refused)} refused" * bool(traffic.refused)
    )
    stage.ticks["no_gap"].claim = f"{verified} mails during the switch: {wrong}"
    if traffic.refused or stage.counts.unsigned or stage.counts.signed != stage.post.sent:
        raise Broken(f"{len(traffic.refused)} refused: {traffic.refused[:1]}")
    stage.tick("no_gap")


def to_own_key(stage: Stage, traffic: Traffic) -> None:
    """PENDING with the customer's key while Easy DKIM signs on, then SUCCESS."""
    private, public = own_key()
    with stage.screen.step("Change to an own key, made by openssl; mail goes on", stage.js.name) as step:
        step.asked("PutEmailIdentityDkimSigningAttributes EXTERNAL, selector own1")
        told = stage.js.call(
            "PutEmailIdentityDkimSigningAttributes",
            EmailIdentity=DOMAIN,
            SigningAttributesOrigin="EXTERNAL",
            SigningAttributes={"DomainSigningSelector": "own1", "DomainSigningPrivateKey": private},
        )
        traffic.wait_until(traffic.sent + stage.switch_mails // 5)
        signs = stage.post.selector()
        step.came(f"{told['DkimStatus']}; meanwhile s={signs[:8]}… signs on")
    if told["DkimStatus"] != "PENDING" or signs not in stage.tokens:
        raise Broken("the earlier key did not go on signing")
    with stage.screen.step("Publish its TXT record, wait for the checks", "owner") as step:
        record = {"name": f"own1._domainkey.{DOMAIN}", "type": "TXT", "values": [f"p={public}"]}
        stage.sandbox.ask("PUT", "/sandbox/dns", body=record)
        step.asked(f"own1._domainkey.{DOMAIN} TXT p={public[:16]}…")
        now = stage.until("SUCCESS", lambda found: found["Status"] == "SUCCESS")
        traffic.wait_until(traffic.sent + stage.switch_mails // 5)
        signs = stage.post.selector()
        step.came(f"{now['Status']}, {now['SigningAttributesOrigin']}; s={signs} signs")
    if signs != "own1" or now["SigningAttributesOrigin"] != "EXTERNAL":
        raise Broken("the own key does not sign")
    stage.tick("own_key")


def back_to_easy(stage: Stage) -> None:
    """The same three tokens; the newest earlier key signs again."""
    with stage.screen.step("Change back to Easy DKIM", stage.js.name) as step:
        step.asked("PutEmailIdentityDkimSigningAttributes AWS_SES")
        told = stage.js.call(
            "PutEmailIdentityDkimSigningAttributes", EmailIdentity=DOMAIN, SigningAttributesOrigin="AWS_SES"
        )
        same = told["DkimTokens"] == stage.tokens
        step.came(f"{told['DkimStatus']}, {'the same three tokens' if same else told['DkimTokens']}")
        now = stage.until("SUCCESS", lambda found: found["Status"] == "SUCCESS")
        stage.post.send("Back again")
        signs = stage.post.selector()
        step.came(f"{now['Status']}; the newest earlier key signs again, s={signs[:8]}…")
    if not same or signs != stage.tokens[0]:
        raise Broken("tokens or key are others than before")
    stage.tick("back")


def rotate(stage: Stage) -> None:
    """A new key behind the same CNAMEs."""
    with stage.screen.step("A new key behind the same CNAMEs", "Mailseal") as step:
        step.asked(f"POST /mailseal/v1/identities/{DOMAIN}/rotate")
        stage.sandbox.ask("POST", f"/identities/{DOMAIN}/rotate")
        for _ in range(12):
            stage.sandbox.ask("POST", "/sandbox/clock/advance", body={"by": "10s"})
            signs = (stage.sandbox.ask("GET", f"/identities/{DOMAIN}")["signed_with"] or {}).get("slot")
            if signs == 2:
                break
        stage.post.send("After the rotation")
        step.came(f"slot {signs} signs; no record of the owner's was touched")
    if stage.post.selector() != stage.tokens[1]:
        raise Broken("the new key does not sign")
    stage.judge_all()


def shorten(stage: Stage) -> None:
    """1024 is taken; 2048 on the same day is refused."""
    with stage.screen.step("Change the key length to 1024", stage.js.name) as step:
        step.asked("PutEmailIdentityDkimSigningAttributes AWS_SES, RSA_1024_BIT")
        put_length(stage, 1024)
        now = stage.until("1024 bits", lambda found: found["CurrentSigningKeyLength"] == "RSA_1024_BIT")
        stage.post.send("With 1024 bits")
        step.came(f"{now['Status']}, {now['CurrentSigningKeyLength']} in use")
    stage.judge_all()
    with stage.screen.step("Change the key length back to 2048 on the same day", stage.js.name) as step:
        step.asked("PutEmailIdentityDkimSigningAttributes AWS_SES, RSA_2048_BIT")
        try:
            put_length(stage, 2048)
        except Refused as refused:
            step.came(f"{refused.name}, as it must: once in 24 hours")
            if refused.name != "BadRequestException":
                raise Broken(str(refused)) from None
        else:
            raise Broken("a second change within a day was taken")


def lengthen(stage: Stage) -> None:
    """A day later 2048 is taken and waits for a blank slot; nine days later it is in use."""
    with stage.screen.step("The same, a day later", stage.js.name) as step:
        stage.sandbox.ask("POST", "/sandbox/clock/advance", body={"by": "24h"})
        step.asked("clock advance 24h, then RSA_2048_BIT again")
        put_length(stage, 2048)
        stage.until("SUCCESS", lambda found: found["Status"] == "SUCCESS")
        now = stage.attributes()
        stage.post.send("A day later")
        lengths = (now["NextSigningKeyLength"], now["CurrentSigningKeyLength"])
        step.came(f"taken; Next {lengths[0]}, Current {lengths[1]}: no slot is blank yet")
    if lengths != ("RSA_2048_BIT", "RSA_1024_BIT"):
        raise Broken("the change did not wait for a blank slot")
    stage.judge_all()
    stage.tick("length")
    with stage.screen.step("Nine days later", "boto3") as step:
        stage.sandbox.ask("POST", "/sandbox/clock/advance", body={"by": "9d"})
        step.asked(f"clock advance 9d, then GetEmailIdentity {DOMAIN}")
        now = stage.until("2048 bits", lambda found: found["CurrentSigningKeyLength"] == "RSA_2048_BIT")
        stage.post.send("Nine days later")
        step.came(f"{now['Status']}, Current {now['CurrentSigningKeyLength']}")
    stage.judge_all()
    stage.tick("in_use")


def delete_and_return(stage: Stage) -> None:
    """The tokens belong to the domain, not to the identity's row."""
    with stage.screen.step("Delete the identity, create it again", "boto3") as step:
        step.asked(f"DeleteEmailIdentity, CreateEmailIdentity {DOMAIN}")
        stage.boto3.call("DeleteEmailIdentity", EmailIdentity=DOMAIN)
        told = stage.boto3.call("CreateEmailIdentity", EmailIdentity=DOMAIN)["DkimAttributes"]
        same = told["Tokens"] == stage.tokens
        step.came("the same three tokens" if same else str(told["Tokens"]))
        now = stage.until("SUCCESS", lambda found: found["Status"] == "SUCCESS")
        stage.post.send("Created again")
        step.came(f"{now['Status']}, with no record touched")
    stage.judge_all()
    if not same:
        raise Broken("the tokens are others than before")
    stage.tick("again")


def put_length(stage: Stage, bits: int) -> None:
    """Asks for a key length with the SDK for JavaScript; raises Refused."""
    stage.js.call(
        "PutEmailIdentityDkimSigningAttributes",
        EmailIdentity=DOMAIN,
        SigningAttributesOrigin="AWS_SES",
        SigningAttributes={"NextSigningKeyLength": f"RSA_{bits}_BIT"},
    )
