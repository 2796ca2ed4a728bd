/**
 * Which places a management request takes while it is worked on. Each kind is shared out by itself (`Shares`):
 *
 * - what changes or reads a tenant: as many as the tenant's `requestsInFlight`;
 * - validations: as many for every tenant, whatever its own limit of management is, and so many bytes of
 *   requests. What they ask of MariaDB has a limit of its own, `missesPerSecond`;
 * - who only waits for a provider: it has given its place back and taken one of these, so that a provider that is
 *   slow holds up nothing else of the tenant.
 */
import { Effect } from "effect"
import type { WaitingPlaceShape } from "../actors/tenant/WaitingPlace.ts"
import { TooManyRequests } from "../domain/errors.ts"
import * as Shares from "./Shares.ts"

export const validationsPerTenant = 256
/** Bytes of the requests of one tenant, but that one request alone may be larger; and of all. */
export const validationBytesPerTenant = 16_777_216
export const validationBytesMax = 67_108_864
export const waitingPerTenant = 256
/**
 * Of the request of one that waits: who waits asks for little. A larger one waits in the place that it has; where it may
 * not, as a `credential.get`, it cannot be larger.
 */
export const waitingBytesMax = 16_384

export const tooMany = new TooManyRequests({ limit: "requestsInFlight" })

export interface Asking extends Shares.Entering {
  readonly validates: boolean
  /** Of the request. */
  readonly bytes: number
}

export interface Place {
  /** Gives it back. To be called once. */
  readonly leave: () => void
  /** It only waits from now on: true where it has a place for that, and its first one is free. */
  readonly aside: () => boolean
}

export interface Places {
  /** Null where there is none. */
  readonly enter: (asking: Asking) => Place | null
  /** Who is refused is refused for its own sake (`Shares`). */
  readonly isFull: (asking: Asking) => boolean
  readonly count: () => number
  /** Completes when nothing is under way. */
  readonly idle: Effect.Effect<void>
}

/** For the request in that place. Made here, it keeps nothing of the request, as what the request began might keep it. */
export const waitingPlace = (place: Place, takesAway: boolean): WaitingPlaceShape => ({
  // What takes a right away waits in its own place where there is no other.
  take: Effect.suspend(() => (place.aside() || takesAway ? Effect.void : Effect.fail(tooMany)))
})

/** `max`: of each kind. */
export const make = (max: number): Places => {
  const [management, validations, waiting] = [Shares.make(max), Shares.make(max), Shares.make(max)]
  const bytesOf = new Map<string, number>()
  let bytesOfAll = 0

  const changeBytes = (tenant: string, change: number) => {
    const bytes = (bytesOf.get(tenant) ?? 0) + change
    if (bytes === 0) bytesOf.delete(tenant)
    else bytesOf.set(tenant, bytes)
    bytesOfAll += change
  }
  const hasItsBytes = ({ bytes, tenant }: Asking): boolean => {
    const held = bytesOf.get(tenant) ?? 0
    return held > 0 && held + bytes > validationBytesPerTenant
  }
  const ofValidation = (asking: Asking): Shares.Entering => ({ ...asking, tenantMax: validationsPerTenant })

  const validation = (asking: Asking) => {
    const { bytes, tenant } = asking
    if (hasItsBytes(asking) || bytesOfAll + bytes > validationBytesMax) return null
    const leave = validations.enter(ofValidation(asking))
    if (leave === null) return null
    changeBytes(tenant, bytes)
    return () => {
      changeBytes(tenant, -bytes)
      leave()
    }
  }

  return {
    enter: (asking) => {
      const first = asking.validates ? validation(asking) : management.enter(asking)
      if (first === null) return null
      const { asker, tenant } = asking
      let leave = first
      let isOver = false
      return {
        leave: () => {
          isOver = true
          leave()
        },
        aside: () => {
          if (isOver || leave !== first) return true
          if (asking.bytes > waitingBytesMax) return false
          const other = waiting.enter({ tenant, tenantMax: waitingPerTenant, asker, takesAway: false, always: false })
          if (other === null) return false
          leave = other
          first()
          return true
        }
      }
    },
    isFull: (asking) =>
      asking.validates ? hasItsBytes(asking) || validations.isFull(ofValidation(asking)) : management.isFull(asking),
    count: () => management.count() + validations.count() + waiting.count(),
    // Whoever waits comes from the others, so those are looked at first.
    idle: Effect.all([management.idle, validations.idle, waiting.idle], { discard: true })
  }
}
