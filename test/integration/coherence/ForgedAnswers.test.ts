// Verifies R-REV-6, R-BUS-36.
/**
 * What anybody may try who may ask for stored messages of some stream of the account, or make a consumer of it, and hears
 * what is said there: the server delivers them onto any subject that is named to it.
 */
import { AckPolicy, RetentionPolicy, StorageType } from "@nats-io/jetstream"
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest"
import { freshInstance } from "../../support/bus.ts"
import { freshRevocation, type RunningReplica, startReplica } from "../../support/coherenceReplicas.ts"
import { eventually } from "../../support/eventually.ts"

describe("with answers that others make the server give", () => {
  let one: RunningReplica
  let two: RunningReplica
  let instance: string
  let stream: string

  const start = async (replicaId: string) => {
    const replica = await startReplica({ natsUrl: inject("natsUrl"), instance, replicaId })
    await eventually(replica.holds, Boolean, { what: `the lease of ${replicaId}` })
    return replica
  }
  /** Where the server is asked for what the stream holds, and answers onto `reply`. */
  const askFor = (request: object, reply: string) =>
    two.nats.requests.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(request), { reply })
  const hear = (subject: string, take: (reply: string, data: Uint8Array) => void) =>
    two.nats.requests.subscribe(subject, {
      callback: (_error, message) => take(message.reply ?? "", message.data)
    })
  const expectItIsWaitedFor = async () => {
    two.deaf = true
    await eventually(two.holds, Boolean, { everyMs: 1, what: "the lease of two" })
    const { generation } = two.lease
    expect(await one.putInForce(freshRevocation())).toBe("in force")
    expect(two.holds() && two.lease.generation === generation).toBe(false)
  }

  beforeEach(async () => {
    instance = freshInstance()
    stream = `OTHER_${instance.toUpperCase()}`
    ;[one, two] = [await start("one"), await start("two")]
    await one.nats.jetstreamManager.streams.add({
      name: stream,
      subjects: [`other.${instance}.>`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.Memory,
      allow_direct: true,
      first_seq: 5_000_000
    })
    // Until the bucket is proven old, a revocation waits whatever is listed.
    await one.putInForce(freshRevocation())
  })
  afterEach(async () => {
    await one.nats.jetstreamManager.streams.delete(stream)
    await Promise.all([one.stop(), two.stop()])
  })

  it("takes the end of another stream's answer for no listing", async () => {
    await two.nats.jetstream.publish(`other.${instance}.a`, "")
    const end = { multi_last: [`other.${instance}.>`] }
    const ears = [
      hear(`$JS.API.DIRECT.GET.${one.bucket}`, (reply) => askFor(end, reply)),
      // Where the listing behind this barrier would be answered if questions were counted.
      hear(`$KV.${one.bucket.slice(3)}.barrier.one`, (reply) => {
        const cut = reply.lastIndexOf(".") + 1
        const next = `${reply.slice(0, cut)}${Number(reply.slice(cut)) + 1}`
        for (let time = 0; time < 100; time++) askFor(end, next)
      })
    ]
    await two.nats.requests.flush()
    for (let time = 0; time < 3; time++) await expectItIsWaitedFor()
    for (const ear of ears) ear.unsubscribe()
  })

  it("takes a stored message that says so for no acknowledgement of a replica", async () => {
    const { state } = await one.nats.jetstreamManager.streams.info(one.bucket, { subjects_filter: ">" })
    const lease = Object.keys(state.subjects ?? {}).find((subject) => subject.includes(".lease.two."))!
    const [, , , replica, incarnation] = lease.split(".")
    const ways: ReadonlyArray<(onto: string, subject: string) => unknown> = [
      (onto, subject) => askFor({ last_by_subj: subject }, onto),
      (onto, subject) =>
        two.nats.jetstreamManager.consumers.add(stream, {
          deliver_subject: onto,
          filter_subject: subject,
          ack_policy: AckPolicy.None
        })
    ]
    let told = 0
    for (const way of ways) {
      const before = told
      const ear = hear(`${instance}.internal.v1.apply`, async (_reply, data) => {
        const { from, id } = JSON.parse(Buffer.from(data).toString("utf8"))
        const subject = `other.${instance}.${id}`
        await two.nats.jetstream.publish(subject, JSON.stringify({ from: `${replica}.${incarnation}`, id }))
        await way(`${instance}.internal.v1.ack.${from}`, subject)
        told++
      })
      await two.nats.requests.flush()
      await expectItIsWaitedFor()
      ear.unsubscribe()
      expect(told).toBeGreaterThan(before)
    }
  })
})
