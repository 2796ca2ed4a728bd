/**
 * Regions, the way between them, and what goes wrong on it.
 *
 * A message between regions takes half of the round trip and a little more, by chance. A link that loses
 * packets delays (TCP sends again after a time-out that doubles); one that is cut delivers nothing.
 */
import type { Events } from "./Events.ts"

export interface NetworkOptions {
  readonly events: Events
  readonly random: () => number
  /** Round trips between regions, in milliseconds: `roundTrips[a][b]`. */
  readonly roundTrips: ReadonlyArray<ReadonlyArray<number>>
  /** The part of messages between regions of which a packet is lost. */
  readonly loss: number
}

export interface Network {
  /** Delivers at its time, or never when the way is cut while it is under way. */
  readonly send: (from: number, to: number, deliver: () => void) => void
  readonly isCut: (a: number, b: number) => boolean
  /** Cuts a region off from all others, or joins it again. */
  readonly setCut: (region: number, isCut: boolean) => void
  readonly sent: () => number
}

/** Linux' smallest time-out for sending again. */
const sendAgainMs = 200
/** The scatter of a message's time, as a part of it. */
const scatter = 0.1

export const makeNetwork = ({ events, loss, random, roundTrips }: NetworkOptions): Network => {
  const cut = new Set<number>()
  let sent = 0
  const isCut = (a: number, b: number) => a !== b && (cut.has(a) || cut.has(b))
  const timeOf = (from: number, to: number): number => {
    const base = roundTrips[from]![to]! / 2
    let time = base * (1 - Math.log(1 - random()) * scatter)
    if (from !== to) for (let wait = sendAgainMs; random() < loss; wait *= 2) time += wait
    return time
  }
  return {
    isCut,
    sent: () => sent,
    setCut: (region, isNow) => void (isNow ? cut.add(region) : cut.delete(region)),
    send: (from, to, deliver) => {
      sent++
      if (isCut(from, to)) return
      events.after(timeOf(from, to), () => {
        if (!isCut(from, to)) deliver()
      })
    }
  }
}
