/**
 * `npm run tls:dev [folder] [names…]`: a private authority and a certificate for NATS servers and one for the
 * service, for development. In production they come from your own authority.
 */
import { join, resolve } from "node:path"
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs"
import { checkout } from "./lib/find.mjs"
import { say } from "./lib/report.mjs"

const [given, ...names] = process.argv.slice(2)
const folder = resolve(given ?? join(checkout, ".local/tls"))
const authority = makeAuthority(folder)
const servers = names.length > 0 ? names : ["localhost", "127.0.0.1", "nats-1", "nats-2", "nats-3"]
makeCertificate({ folder, authority, name: "nats", names: servers })
makeCertificate({ folder, authority, name: "service", names: ["service"] })
say(`wrote ${folder}: ca.pem, nats.pem, nats-key.pem, service.pem, service-key.pem`)
