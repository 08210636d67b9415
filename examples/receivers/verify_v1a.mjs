import { createPublicKey, verify } from "node:crypto";

const ED25519_DER = Buffer.from("302a300506032b6570032100", "hex");

/** `publicKey` is whpk_…; `headers` as node:http gives them; `body` a Buffer. */
export function isOurs(publicKey, headers, body) {
  const raw = Buffer.from(publicKey.replace(/^whpk_/, ""), "base64");
  const key = createPublicKey({
    key: Buffer.concat([ED25519_DER, raw]), format: "der", type: "spki",
  });
  const stamp = headers["webhook-timestamp"];
  if (!(Math.abs(Date.now() / 1000 - Number(stamp)) <= 300)) return false;
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${stamp}.`), body]);
  return (headers["webhook-signature"] ?? "")
    .split(" ")
    .map((token) => token.split(","))
    .filter(([scheme]) => scheme === "v1a")
    .some(([, signature]) => verify(null, signed, key, Buffer.from(signature, "base64")));
}
