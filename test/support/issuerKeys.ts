/** Keys of an issuer, and bearer tokens signed with them: for tests of whoever verifies. */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose"

export interface SigningKey {
  readonly keyId: string
  readonly algorithm: string
  readonly publicJwk: JWK
  readonly sign: (
    claims: Readonly<Record<string, unknown>>,
    header?: Readonly<Record<string, unknown>>
  ) => Promise<string>
}

export const signingKey = async (keyId: string, algorithm = "ES256"): Promise<SigningKey> => {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  return {
    keyId,
    algorithm,
    publicJwk: { ...(await exportJWK(publicKey)), kid: keyId, alg: algorithm, use: "sig" },
    sign: (claims, header = {}) =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg: algorithm, kid: keyId, ...header }).sign(privateKey)
  }
}
