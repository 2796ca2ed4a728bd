/**
 * A private authority and what it vouches for, made with the `openssl` command: for development and tests.
 *
 * Node can make keys, not certificates. Everything is written with mode 0600 into one folder.
 */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** @param {ReadonlyArray<string>} given */
const openssl = (...given) => execFileSync("openssl", given, { stdio: ["ignore", "pipe", "pipe"] })

/** @param {string} folder @param {string} name */
const newKey = (folder, name) => {
  const file = join(folder, `${name}-key.pem`)
  openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file)
  chmodSync(file, 0o600)
  return file
}

/** The authority's certificate and key, as files in `folder`. @param {string} folder @param {string} name */
export const makeAuthority = (folder, name = "ca") => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const key = newKey(folder, name)
  const certificate = join(folder, `${name}.pem`)
  const subject = `/CN=credential-management development ${name}`
  openssl("req", "-x509", "-new", "-key", key, "-sha256", "-days", "3650", "-subj", subject, "-out", certificate)
  return { certificate, key }
}

/**
 * A certificate of the authority for some names; with negative `days` one that has expired.
 * @param {{ readonly folder: string, readonly authority: { readonly certificate: string, readonly key: string },
 *   readonly name: string, readonly names: ReadonlyArray<string>, readonly days?: number }} options
 */
export const makeCertificate = ({ authority, days = 825, folder, name, names }) => {
  const key = newKey(folder, name)
  const certificate = join(folder, `${name}.pem`)
  const request = join(folder, `${name}.csr`)
  const extensions = join(folder, `${name}.ext`)
  const alternatives = names.map((one) => (/^[\d.]+$|:/u.test(one) ? `IP:${one}` : `DNS:${one}`)).join(",")
  writeFileSync(extensions, `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth,clientAuth\n`)
  openssl("req", "-new", "-key", key, "-subj", `/CN=${name}`, "-out", request)
  const dates = ["-days", String(days)]
  const by = ["-CA", authority.certificate, "-CAkey", authority.key, "-CAcreateserial", "-sha256"]
  openssl("x509", "-req", "-in", request, ...by, ...dates, "-extfile", extensions, "-out", certificate)
  return { certificate, key }
}
