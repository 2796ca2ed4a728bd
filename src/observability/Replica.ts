/**
 * Who this process is: the instance it serves (`cm`), its own name among that instance's replicas, and
 * a name that no other process has, not even one that was given the same replica id by mistake, nor
 * this replica before or after a restart. What is claimed, leased or fenced is so under that name.
 */
import { randomBytes } from "node:crypto"
import { Context } from "effect"

export class Replica extends Context.Service<
  Replica,
  {
    readonly instance: string
    readonly replicaId: string
    /** `<replica id>.<random>`, at most 55 characters; two tokens of a subject. */
    readonly process: string
  }
>()("cm/observability/Replica") {}

const randomBytesOfName = 11

/** A process of its own at each call. */
export const replicaOf = (instance: string, replicaId: string): Replica["Service"] => ({
  instance,
  replicaId,
  process: `${replicaId}.${randomBytes(randomBytesOfName).toString("hex")}`
})
