/**
 * A mail service that sends for a tenant: `node examples/mail/mail.mjs demo`.
 *
 * It fetches the tenant's `outlook` account just before it is needed, sealed to a key that only this
 * process has: whoever listens on the bus, the bus's own operators included, sees nothing of it.
 */
import { createCurve } from "@nats-io/nkeys"
import { connectAs, masked, say, tenant } from "../bus.mjs"

const service_name = "outlook"
const bus = await connectAs("mail")
const key = createCurve()

try {
  const credential = await bus.get({ service_name, seal_to: key.getPublicKey() })
  const opened = key.open(new Uint8Array(Buffer.from(credential.sealed, "base64")), credential.sealed_by)
  if (opened === null) throw new Error("the answer was not sealed for this process")
  const { password, username } = JSON.parse(new TextDecoder().decode(opened))
  opened.fill(0)
  say(`mail: signing in to ${service_name} for ${tenant} as ${username} with ${masked(password)}`)

  const answer = await bus.getAs("chat", { service_name: "slack" })
  say(`mail: asking in the name of chat: ${answer instanceof Error ? answer.message : answer}`)
} catch (error) {
  say(`mail: ${error.code ?? ""} ${error.message}`)
  process.exitCode = 1
} finally {
  await bus.close()
}
