/** The baseline: answers every request with the same bytes, of the length that it is told. */
import { connect } from "@nats-io/transport-node"

const [natsUrl, subject, bytes] = process.argv.slice(2)
const nc = await connect({ servers: natsUrl!, noAsyncTraces: true })
const reply = new Uint8Array(Number(bytes)).fill(0x61)
nc.subscribe(subject!, {
  queue: "echo",
  callback: (error, message) => {
    if (error === null) message.respond(reply)
  }
})
await nc.flush()
process.send?.("ready")
process.on("message", () => void nc.close().then(() => process.exit(0)))
