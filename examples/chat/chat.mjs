/**
 * A chat service: `node examples/chat/chat.mjs demo`.
 *
 * It first asks what there is (which needs no secret and is not a read of one), and fetches the
 * token only when it is worth it. `min_ttl` asks for one that lives for another minute.
 */
import { connectAs, masked, say, tenant } from "../bus.mjs"

const service_name = "slack"
const bus = await connectAs("chat")

try {
  const about = await bus.describe({ service_name })
  say(
    `chat: ${service_name} of ${tenant}: ${about.type}, scopes ${about.scopes.join(" ") || "none"}, ends ${about.expires_at ?? "never"}`
  )
  if (!about.is_active || !about.service_active) throw new Error(`${service_name} is not to be used now`)
  const { credentials } = await bus.get({ service_name, min_ttl: "PT1M" })
  say(`chat: posting with ${masked(credentials.access_token)}`)

  const answer = await bus.getAs("mail", { service_name: "outlook" })
  say(`chat: asking in the name of mail: ${answer instanceof Error ? answer.message : answer}`)
} catch (error) {
  say(`chat: ${error.code ?? ""} ${error.message}`)
  process.exitCode = 1
} finally {
  await bus.close()
}
