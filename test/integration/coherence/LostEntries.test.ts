// Verifies R-REV-6.
/** A listing of which a part was lost on its way, as it is where a connection is had anew in the middle of it. */
import * as net from "node:net"
import { afterEach, describe, expect, inject, it } from "vitest"
import { freshInstance } from "../../support/bus.ts"
import { freshRevocation, type RunningReplica, startReplica } from "../../support/coherenceReplicas.ts"
import { eventually } from "../../support/eventually.ts"

/** Passes on what a client says; of what the server says, the messages that `isLost` names do not come. */
const lossyProxy = async (port: number, isLost: (frame: Buffer) => boolean) => {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    const upstream = net.connect(port, "127.0.0.1")
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on("error", () => socket.destroy())
      socket.on("close", () => [client, upstream].map((one) => one.destroy()))
    }
    client.pipe(upstream)
    let waiting = Buffer.alloc(0)
    upstream.on("data", (bytes) => {
      waiting = Buffer.concat([waiting, bytes])
      for (;;) {
        const end = waiting.indexOf("\r\n")
        if (end === -1) return
        const line = waiting.toString("latin1", 0, end).split(" ")
        const isMessage = line[0] === "MSG" || line[0] === "HMSG"
        const size = end + 2 + (isMessage ? Number(line.at(-1)) + 2 : 0)
        if (waiting.length < size) return
        const frame = waiting.subarray(0, size)
        waiting = waiting.subarray(size)
        if (!isMessage || !isLost(frame)) client.write(frame)
      }
    })
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  return {
    port: (server.address() as net.AddressInfo).port,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        for (const socket of sockets) socket.destroy()
      })
  }
}

describe("a listing that lost a part on its way", () => {
  const ends: Array<() => Promise<unknown>> = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  const start = async (instance: string, replicaId: string, natsUrl: string): Promise<RunningReplica> => {
    const replica = await startReplica({ natsUrl, instance, replicaId })
    ends.push(replica.stop)
    await eventually(replica.holds, Boolean, { what: `the lease of ${replicaId}` })
    return replica
  }

  it("is none: whoever is missing in it is waited for", async () => {
    const instance = freshInstance()
    let isLossy = false
    let lost = 0
    const proxy = await lossyProxy(Number(new URL(inject("natsUrl")).port), (frame) => {
      const isIt = isLossy && frame.includes("Nats-Subject: $KV.") && frame.includes(".lease.two.")
      if (isIt) lost++
      // Once each time: the next answer comes whole.
      if (isIt) isLossy = false
      return isIt
    })
    ends.push(proxy.close)
    const one = await start(instance, "one", `nats://127.0.0.1:${proxy.port}`)
    const two = await start(instance, "two", inject("natsUrl"))
    // Until the bucket is proven old, a revocation waits whatever is listed.
    await one.putInForce(freshRevocation())
    two.deaf = true
    for (let time = 0; time < 3; time++) {
      await eventually(two.holds, Boolean, { everyMs: 1, what: "the lease of two" })
      const { generation } = two.lease
      isLossy = true
      expect(await one.putInForce(freshRevocation())).toBe("in force")
      expect(two.holds() && two.lease.generation === generation).toBe(false)
    }
    expect(lost).toBe(3)
  })
})
