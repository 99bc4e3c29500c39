import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { createAuditLogSigner, generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import {
  type AuditLogSigner,
  createVerifierKey,
  openNote,
  signNote,
} from "../../src/events/signed_note.ts";

/** The example in the documentation of Go's golang.org/x/mod/sumdb/note. */
const peter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const text = "If you think cryptography is the answer to your problem,\n" +
  "then you don't know what your problem is.\n";
const signature =
  "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const note = `${text}\n${signature}`;

Deno.test("openNote() verifies the example of another implementation", async () => {
  assertEquals(await openNote(note, [peter]), { text, signedBy: [peter] });
  assertEquals(await openNote(note, []), { text, signedBy: [] });
});

Deno.test("createVerifierKey() writes a key as another implementation does", () => {
  const key = Uint8Array.fromBase64(peter.slice(peter.lastIndexOf("+") + 1)).subarray(1);
  assertEquals(createVerifierKey("PeterNeumann", key), peter);
});

/** Notes that are none, or whose signature does not hold. */
const bad: Readonly<Record<string, string>> = {
  "another text": note.replace("answer", "Answer"),
  "another signature": note.replace("ZJkuBS9", "ZJkuBS8"),
  "a short signature": note.replace(/wJnAM=\n$/, "w==\n"),
  "stray bits": note.replace("AM=\n", "AN=\n"),
  "no signature": text,
  "no signature line": `${text}\n`,
  "no line feed": note.slice(0, -1),
  "no blank line": `${text}${signature}`,
  "a carriage return": note.replaceAll("\n", "\r\n"),
  "a NUL": note.replace("think", "thi\0nk"),
  "a lone surrogate": note.replace("think", "thi\ud800nk"),
  "a hyphen for the dash": note.replace("\u2014", "-"),
  "something after": `${note}x\n`,
  "a name with a plus": note.replace("\u2014 PeterNeumann", "\u2014 Peter+Neumann"),
  "nothing": "",
  "too many signatures": `${text}\n${signature.repeat(101)}`,
};

Deno.test("openNote() returns undefined when a note is none, or a signature is false", async () => {
  for (const [name, one] of Object.entries(bad)) {
    assertNotEquals(one, note, name);
    assertEquals(await openNote(one, [peter]), undefined, name);
  }
});

Deno.test("openNote() passes over signatures of other keys", async () => {
  const ours = await generateAuditLogKeys("PeterNeumann");
  const both = `${await signNote(text, ours.signer)}${signature}`;
  assertEquals((await openNote(both, [peter]))?.signedBy, [peter]);
  assertEquals((await openNote(both, [ours.verifierKey]))?.signedBy, [ours.verifierKey]);
  assertEquals((await openNote(both, [peter, ours.verifierKey]))?.signedBy.length, 2);
  // The same name is not the same key.
  assertEquals((await openNote(note, [ours.verifierKey]))?.signedBy, []);
});

Deno.test("openNote() takes a blank line within the text for text", async () => {
  const { signer, verifierKey } = await generateAuditLogKeys("a");
  const inner = `one\n\n\u2014 a AAAAAAAA\n\ntwo\n`;
  assertEquals(await openNote(await signNote(inner, signer), [verifierKey]), {
    text: inner,
    signedBy: [verifierKey],
  });
});

Deno.test("openNote() throws when a key is none", async () => {
  const wrong = [
    "",
    "PeterNeumann",
    peter.replace("c74f20a3", "c74f20a4"),
    peter.replace("c74f20a3", "C74F20A3"),
    peter.replace("PeterNeumann", "Peter Neumann"),
    peter.replace("PeterNeumann", ""),
    peter.replace("+ARpc", "+AhpC"),
    `${peter}\n`,
    peter.slice(0, -4),
  ];
  for (const key of wrong) {
    await assertRejects(() => openNote(note, [key]), TypeError, "Cannot");
  }
});

Deno.test("signNote() throws when something cannot be part of a note", async () => {
  const { signer } = await generateAuditLogKeys("a");
  for (const wrong of ["", "no line feed", "a\tb\n", "a\r\n", "\ud800\n"]) {
    await assertRejects(() => signNote(wrong, signer), TypeError, "text");
  }
  const withSign = (sign: () => Promise<unknown>) => ({ ...signer, sign } as AuditLogSigner);
  for (const made of [new Uint8Array(63), "x".repeat(64), undefined]) {
    const broken = withSign(() => Promise.resolve(made));
    await assertRejects(() => signNote("a\n", broken), TypeError, "64 bytes");
  }
  for (const name of ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x9b"]) {
    await assertRejects(() => signNote("a\n", { ...signer, name }), TypeError, "name");
    assertThrows(() => createVerifierKey(name, signer.publicKey), TypeError, "name");
    await assertRejects(() => generateAuditLogKeys(name), TypeError, "name");
  }
  assertThrows(() => createVerifierKey("a", new Uint8Array(31)), TypeError, "32 bytes");
});

Deno.test("createAuditLogSigner() signs with a key that cannot be taken away", async () => {
  const { privateKey, publicKey } = await crypto.subtle.generateKey("Ed25519", false, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  const signer = createAuditLogSigner({ name: "a", privateKey, publicKey: raw });
  const key = createVerifierKey("a", raw);
  raw.fill(0);
  assertEquals((await openNote(await signNote(text, signer), [key]))?.signedBy, [key]);
  assert(Object.isFrozen(signer));
});

Deno.test("createAuditLogSigner() throws when a key is not for signing", async () => {
  const { publicKey, privateKey } = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign", "verify"],
  );
  const raw = new Uint8Array(32);
  for (const key of [publicKey, privateKey, undefined, {}]) {
    assertThrows(
      () => createAuditLogSigner({ name: "a", privateKey: key as CryptoKey, publicKey: raw }),
      TypeError,
      "Ed25519",
    );
  }
});

Deno.test("signNote() rejects a signature that does not hold", async () => {
  const { signer } = await generateAuditLogKeys("log");
  const other = await generateAuditLogKeys("log");
  const mismatched = createAuditLogSigner({
    name: "log",
    privateKey: other.privateKey,
    publicKey: signer.publicKey,
  });
  const garbage: AuditLogSigner = { ...signer, sign: () => Promise.resolve(new Uint8Array(64)) };
  for (const one of [mismatched, garbage]) {
    await assertRejects(() => signNote("x\n", one), TypeError, "does not verify");
  }
});
