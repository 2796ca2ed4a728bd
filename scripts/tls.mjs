/**
 * `npm run tls:dev [folder] [names…]`: a private authority, and certificates for NATS servers, MariaDB and the service,
 * for development: for your own files in `ops/`, or anew for a stack that runs (`npm run tls:dev -- .local/tls`, then
 * SIGHUP to nats-server and `FLUSH SSL`). `npm start` with CM_DEV_TLS=true and `npm run compose:env` make their own. In
 * production certificates come from your own authority.
 */
import { join, resolve } from "node:path"
import { argumentsOf } from "./lib/arguments.mjs"
import { makeStackCertificates } from "./lib/certificates.mjs"
import { checkout } from "./lib/find.mjs"
import { say } from "./lib/report.mjs"

const { operands } = argumentsOf(import.meta.filename, {
  call: "npm run tls:dev --",
  operands: { shown: "[folder] [names…]", least: 0, most: Number.POSITIVE_INFINITY }
})
const [given, ...names] = operands
const folder = resolve(given ?? join(checkout, ".local/tls"))
makeStackCertificates(folder, names.length > 0 ? names : ["localhost", "127.0.0.1"])
say(`wrote ${folder}: ca.pem, service.pem and service-key.pem, and nats/ and mariadb/ with ca.pem, cert.pem, key.pem`)
