/**
 * A WhatsApp service for one user of a tenant: `node examples/whatsapp/whatsapp.mjs demo anna`.
 *
 * It names the user; when the user has no credential of their own, the tenant's is used, and then the
 * global one. `owner` and `tenant_id` of the answer say which it was.
 */
import { connectAs, masked, say, tenant } from "../bus.mjs"

const service_name = "whatsapp-business"
const user_id = process.argv[3] ?? "anna"
const bus = await connectAs("whatsapp")

try {
  const found = await bus.get({ service_name, owner: { level: "user", user_id } })
  const whose = found.tenant_id === tenant ? (found.owner.user_id ?? tenant) : "everybody"
  say(`whatsapp: sending for ${user_id} with the key of ${whose}: ${masked(found.credentials.api_key)}`)

  const answer = await bus.getAs("mail", { service_name: "outlook" })
  say(`whatsapp: asking in the name of mail: ${answer instanceof Error ? answer.message : answer}`)
} catch (error) {
  say(`whatsapp: ${error.code ?? ""} ${error.message}`)
  process.exitCode = 1
} finally {
  await bus.close()
}
