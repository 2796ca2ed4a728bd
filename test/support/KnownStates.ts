/**
 * The states of a model with two processes that a walk has reached. Two states are one where JSON says the same of both,
 * or would if the processes had changed places and names. What each of the two may do the other one may as well, so what
 * follows from one of them follows from the other, and half as many are walked. That a model's processes are alike is for
 * its test to show (`likeness.ts`).
 *
 * A step leaves most of a state as it was: of that the hashes of before are taken.
 */
import { HashSet, hashInto } from "./HashSet.ts"

export interface Pair {
  readonly processes: readonly [unknown, unknown]
}

/** Four numbers for each part of a state: its hash, and the one under changed names. */
export type Parts = Int32Array

const numbers = new Int32Array(4_096)
/** Where among those a process is named. */
const namedAt: Array<number> = []
const texts = new Map<string, number>()

const numberOf = (text: string): number => {
  const known = texts.get(text)
  if (known !== undefined) return known
  texts.set(text, texts.size)
  return texts.size - 1
}

export class KnownStates<State extends Pair> {
  readonly #known = new HashSet()
  readonly #keys: ReadonlyArray<keyof State & string>
  readonly #one: number
  readonly #other: number
  /** Of the state that is looked at, and what is hashed of it: as it is, and with places and names changed. */
  readonly #parts: Parts
  readonly #asItIs: Int32Array
  readonly #turned: Int32Array
  readonly #hashes = new Int32Array(4)

  /** `names`: what the two processes are called, in whatever a state says of them. */
  constructor(first: State, names: readonly [string, string]) {
    this.#keys = (Object.keys(first) as Array<keyof State & string>).filter((key) => key !== "processes")
    this.#one = numberOf(names[0])
    this.#other = numberOf(names[1])
    const parts = this.#keys.length + 2
    this.#parts = new Int32Array(4 * parts)
    this.#asItIs = new Int32Array(2 * parts)
    this.#turned = new Int32Array(2 * parts)
  }

  get size(): number {
    return this.#known.size
  }

  /** The parts of `state`, for what comes of it; null where it was known. `former`: what it came of. */
  add(state: State, former?: readonly [state: State, parts: Parts]): Parts | null {
    const parts = this.#parts
    const keys = this.#keys
    for (let at = 0; at < keys.length; at++) {
      const value = state[keys[at]!]
      if (former !== undefined && former[0][keys[at]!] === value) this.#copy(former[1], at)
      else this.#hash(value, at)
    }
    for (let at = 0; at < 2; at++) {
      const process = state.processes[at]
      if (former !== undefined && former[0].processes[at] === process) this.#copy(former[1], keys.length + at)
      else this.#hash(process, keys.length + at)
    }
    if (!this.#isNew()) return null
    if (Object.keys(state).length !== keys.length + 1) throw new Error("a state has other fields than the first one")
    return parts.slice()
  }

  #copy(from: Parts, part: number): void {
    for (let at = 4 * part; at < 4 * part + 4; at++) this.#parts[at] = from[at]!
  }

  #hash(value: unknown, part: number): void {
    const parts = this.#parts
    namedAt.length = 0
    const length = this.#write(value, 0)
    if (length > numbers.length) throw new Error("a state is too large")
    hashInto(parts, 4 * part, numbers, length)
    if (namedAt.length === 0) {
      parts[4 * part + 2] = parts[4 * part]!
      parts[4 * part + 3] = parts[4 * part + 1]!
      return
    }
    for (const at of namedAt) numbers[at] = numbers[at] === this.#one ? this.#other : this.#one
    hashInto(parts, 4 * part + 2, numbers, length)
  }

  #isNew(): boolean {
    const parts = this.#parts
    const asItIs = this.#asItIs
    const turned = this.#turned
    const hashes = this.#hashes
    const last = asItIs.length - 2
    for (let at = 0; at <= last; at += 2) {
      // The two processes are the last parts.
      const from = at === last ? at - 2 : at === last - 2 ? last : at
      asItIs[at] = parts[2 * at]!
      asItIs[at + 1] = parts[2 * at + 1]!
      turned[at] = parts[2 * from + 2]!
      turned[at + 1] = parts[2 * from + 3]!
    }
    hashInto(hashes, 0, asItIs, asItIs.length)
    hashInto(hashes, 2, turned, turned.length)
    const isFirst = hashes[0]! < hashes[2]! || (hashes[0] === hashes[2] && hashes[1]! <= hashes[3]!)
    return this.#known.addHash(hashes[isFirst ? 0 : 2]!, hashes[isFirst ? 1 : 3]!)
  }

  /** Writes `value` behind `from`, and returns where that ends. */
  #write(value: unknown, from: number): number {
    let at = from
    switch (typeof value) {
      case "number":
        numbers[at++] = 1
        numbers[at++] = value
        numbers[at++] = value / 4294967296
        return at
      case "string": {
        const number = numberOf(value)
        numbers[at++] = 2
        if (number === this.#one || number === this.#other) namedAt.push(at)
        numbers[at++] = number
        return at
      }
      case "boolean":
        numbers[at++] = value ? 3 : 4
        return at
      case "object": {
        if (value === null) {
          numbers[at++] = 5
          return at
        }
        if (Array.isArray(value)) {
          numbers[at++] = 6
          for (let index = 0; index < value.length; index++) at = this.#write(value[index], at)
        } else {
          numbers[at++] = 7
          for (const key in value) {
            const part: unknown = (value as Readonly<Record<string, unknown>>)[key]
            if (part === undefined) continue
            numbers[at++] = numberOf(key)
            at = this.#write(part, at)
          }
        }
        numbers[at++] = 8
        return at
      }
      default:
        throw new Error(`a state has a ${typeof value}`)
    }
  }
}
