// Makes and checks tokens with npm's jose. One JSON object on stdin says what; one on stdout is the
// answer. `make`: keys of jose's own, their public JWKS, and a token of each. `check`: tokens of
// ours, each with its key.
import * as jose from "jose";

const read = async () => {
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return JSON.parse(text);
};

async function sign(claims, alg, kid, key) {
  return new jose.SignJWT(claims).setProtectedHeader({ alg, kid, typ: "JWT" }).sign(key);
}

async function make({ claims, secret }) {
  const keys = [];
  const tokens = {};
  const pems = {};
  for (const alg of ["RS256", "ES256", "EdDSA"]) {
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    keys.push({ ...(await jose.exportJWK(publicKey)), kid: `jose-${alg}`, alg, use: "sig" });
    tokens[alg] = await sign(claims, alg, `jose-${alg}`, privateKey);
    pems[alg] = await jose.exportSPKI(publicKey);
  }
  tokens.HS256 = await sign(claims, "HS256", undefined, new TextEncoder().encode(secret));
  const unsecured = new jose.UnsecuredJWT(claims).encode();
  const crit = await new jose.SignJWT(claims)
    .setProtectedHeader({ alg: "HS256", crit: ["urn:example"], "urn:example": true })
    .sign(new TextEncoder().encode(secret), { crit: { "urn:example": true } });
  return { jwks: { keys }, tokens, pems, unsecured, crit };
}

async function check({ tokens, now }) {
  const seen = {};
  for (const [alg, { token, jwk, secret }] of Object.entries(tokens)) {
    const key = secret ? new TextEncoder().encode(secret) : await jose.importJWK(jwk, alg);
    const options = { algorithms: [alg], currentDate: new Date(now * 1000) };
    seen[alg] = (await jose.jwtVerify(token, key, options)).payload;
  }
  return seen;
}

const asked = await read();
const answer = await (asked.make ? make(asked.make) : check(asked.check));
process.stdout.write(JSON.stringify(answer));
