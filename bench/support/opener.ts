/** Answers every request with a secret that it opens for it, with a warm key, by the lines that the service answers by. */
import { randomBytes } from "node:crypto"
import { connect } from "@nats-io/transport-node"
import * as KeyId from "../../src/crypto/KeyId.ts"
import * as SealedRecord from "../../src/crypto/SealedRecord.ts"
import { Replies } from "../../src/nats/Replies.ts"

const [natsUrl, subject, bytes] = process.argv.slice(2)
const nc = await connect({ servers: natsUrl!, noAsyncTraces: true })
const replies = new Replies(nc)
const key = SealedRecord.makeKey(KeyId.makeKeyId(1_700_000_000_000), randomBytes(SealedRecord.keyLength))
const place = "demo/01900000-0000-7000-8000-000000000001/1/credentials"
const record = SealedRecord.seal(key, place, new Uint8Array(Number(bytes)).fill(0x61))
nc.subscribe(subject!, {
  queue: "opener",
  callback: (error, message) => {
    const opened = SealedRecord.open(key, place, record)
    if (error === null && opened !== null) replies.send(message, opened)
  }
})
await nc.flush()
process.send?.("ready")
process.on("message", () => void nc.close().then(() => process.exit(0)))
