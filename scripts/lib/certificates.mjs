/**
 * A private authority and what it vouches for, made with the `openssl` command: for development and tests.
 *
 * Node can make keys, not certificates. Keys are written with mode 0600 into one folder; those that a container
 * reads as another user are in folders of their own within it, which is mode 0700.
 */
import { execFileSync } from "node:child_process"
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs"
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

/** Whole or not at all, for who reads it meanwhile. @param {string} from @param {string} to @param {number} mode */
const put = (from, to, mode) => {
  copyFileSync(from, `${to}.new`)
  chmodSync(`${to}.new`, mode)
  renameSync(`${to}.new`, to)
}

/**
 * The whole of a development stack's TLS in `folder` (mode 0700): the authority, and for each of the servers a folder
 * with `ca.pem`, `cert.pem` and `key.pem`, which a container that runs as any user may be given: `nats/`, `mariadb/`,
 * and `client/` for who needs the authority alone. Called again it makes new certificates of the same authority.
 * @param {string} folder @param {ReadonlyArray<string>} names of the servers
 */
export const makeStackCertificates = (folder, names) => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const files = { certificate: join(folder, "ca.pem"), key: join(folder, "ca-key.pem") }
  const authority = existsSync(files.key) ? files : makeAuthority(folder)
  for (const name of ["nats", "mariadb", "service"]) {
    const { certificate, key } = makeCertificate({
      folder,
      authority,
      name,
      names: name === "service" ? [name] : names
    })
    if (name === "service") continue
    mkdirSync(join(folder, name), { recursive: true, mode: 0o755 })
    put(authority.certificate, join(folder, name, "ca.pem"), 0o644)
    put(certificate, join(folder, name, "cert.pem"), 0o644)
    put(key, join(folder, name, "key.pem"), 0o644)
  }
  mkdirSync(join(folder, "client"), { recursive: true, mode: 0o755 })
  put(authority.certificate, join(folder, "client", "ca.pem"), 0o644)
  return { ca: join(folder, "client", "ca.pem"), nats: join(folder, "nats"), mariadb: join(folder, "mariadb") }
}

/** What ops/nats-tls.conf reads. @param {string} folder with ca.pem, cert.pem and key.pem */
export const natsTlsEnvironment = (folder) => ({
  CM_NATS_TLS_CERT: join(folder, "cert.pem"),
  CM_NATS_TLS_KEY: join(folder, "key.pem"),
  CM_NATS_TLS_CA: join(folder, "ca.pem"),
  CM_NATS_TLS_VERIFY: "false"
})

/** MariaDB's arguments, as compose.yaml has them. @param {string} folder with ca.pem, cert.pem and key.pem */
export const mariadbTlsArguments = (folder) => [
  `--ssl-ca=${join(folder, "ca.pem")}`,
  `--ssl-cert=${join(folder, "cert.pem")}`,
  `--ssl-key=${join(folder, "key.pem")}`,
  "--tls-version=TLSv1.2,TLSv1.3",
  "--require-secure-transport=ON"
]
