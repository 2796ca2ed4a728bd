/**
 * Which of the refreshes that are due go next, when there are more than there is room for: pure.
 *
 * Each queue (a client at a provider's address) gives one in turn, so that nobody waits behind another's
 * backlog; within a queue those go first that are nearest to their grant's final end. No queue gives more
 * than its rate and parallelism leave, and no tenant takes the room of all others: it is given another one as long as it has
 * less under way than `sharesOfFree` times what is free, so that some of it is left whatever one tenant's providers take their
 * time with. All times are UNIX milliseconds.
 */
import { hurriedQueue } from "../domain/Refresh.ts"
import { rotatorQueue } from "../domain/Rotating.ts"

export interface DueRow {
  readonly credentialId: string
  readonly tenantId: string
  readonly queue: string
  /** The earliest moment after which waiting costs a grant. */
  readonly urgency: number
}

/** What is known of a queue. One that nobody has taken a turn for is not known, and taken as new. */
export interface QueueRoom {
  readonly queue: string
  readonly lane: string
  readonly isClosed: boolean
  readonly ratePerMinute: number
  readonly parallel: number
  /** Turns of the lane in the last minute, and those under way. */
  readonly taken: number
  readonly held: number
}

/** Of a queue that is not known: the least that a provider is asked at a time. */
const newQueueRoom = 4
/** With 3 a tenant that is alone has three quarters of the room. */
const sharesOfFree = 3
/** Those that no provider's room bounds. */
const unbounded: ReadonlySet<string> = new Set([hurriedQueue, rotatorQueue])

export const fairPick = (
  due: ReadonlyArray<DueRow>,
  rooms: ReadonlyArray<QueueRoom>,
  /** So many are free. */
  limit: number,
  /** How many each tenant has under way beside those. Without it nobody has a share. */
  underWay?: ReadonlyMap<string, number>
): { readonly chosen: ReadonlyArray<DueRow>; readonly more: boolean } => {
  const known = new Map(rooms.map((room) => [room.queue, room]))
  const free = new Map<string, number>()
  const rated = new Map<string, number>()
  for (const { held, lane, parallel, ratePerMinute, taken } of rooms) {
    rated.set(lane, Math.max(0, ratePerMinute - taken))
    free.set(lane, Math.max(0, Math.min(ratePerMinute - taken, parallel - held)))
  }
  const laneOf = (queue: string): string => known.get(queue)?.lane ?? queue
  const open = Array.from(Map.groupBy(due, ({ queue }) => queue))
    .filter(([queue]) => known.get(queue)?.isClosed !== true)
    .map(([queue, rows]) => ({
      queue,
      lane: laneOf(queue),
      rows: rows.toSorted((a, b) => a.urgency - b.urgency),
      next: 0,
      given: 0
    }))
    .toSorted((a, b) => a.rows[0]!.urgency - b.rows[0]!.urgency)
  const chosen: Array<DueRow> = []
  const ofTenants = new Map(underWay)
  const ofTenant = ({ tenantId }: DueRow): number => ofTenants.get(tenantId) ?? 0
  const isOverShare = (row: DueRow): boolean =>
    underWay !== undefined && ofTenant(row) >= sharesOfFree * (limit - chosen.length)
  let moved = true
  let passed = false
  while (moved && chosen.length < limit) {
    moved = false
    for (const line of open) {
      const room = free.get(line.lane) ?? (unbounded.has(line.queue) ? limit : newQueueRoom)
      if (chosen.length >= limit || room <= 0) continue
      for (let row = line.rows[line.next]; row !== undefined && isOverShare(row); row = line.rows[line.next]) {
        line.next++
        passed = true
      }
      const row = line.rows[line.next]
      if (row === undefined) continue
      chosen.push(row)
      ofTenants.set(row.tenantId, ofTenant(row) + 1)
      line.next++
      line.given++
      free.set(line.lane, room - 1)
      moved = true
    }
  }
  // What a rate holds back comes with the next minute; what waits for room, as soon as somebody has ended.
  const more =
    passed || open.some(({ given, lane, next, rows }) => next < rows.length && (rated.get(lane) ?? 1) > given)
  return { chosen, more }
}
