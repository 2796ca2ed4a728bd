/** Hashes of 53 bits by which a walk remembers the states of a model: half a million of them are told apart all but surely. */

export const hash = (numbers: Int32Array, length = numbers.length): number => {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let at = 0; at < length; at++) {
    const number = numbers[at]!
    high = Math.imul(high ^ number, 2654435761)
    low = Math.imul(low ^ number, 1597334677)
    high ^= high >>> 15
    low ^= low >>> 13
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * (2097151 & low) + (high >>> 0)
}

const numbers = new Int32Array(4_096)
const texts = new Map<string, number>()

const numberOf = (text: string): number => {
  const known = texts.get(text)
  if (known !== undefined) return known
  texts.set(text, texts.size)
  return texts.size - 1
}

/** Writes `value` behind `from`, and returns where that ends. Two values are written alike where JSON says the same of both. */
const write = (value: unknown, from: number): number => {
  let at = from
  switch (typeof value) {
    case "number":
      numbers[at++] = 1
      numbers[at++] = value
      numbers[at++] = value / 4294967296
      return at
    case "string":
      numbers[at++] = 2
      numbers[at++] = numberOf(value)
      return at
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
        for (let index = 0; index < value.length; index++) at = write(value[index], at)
      } else {
        numbers[at++] = 7
        for (const key in value) {
          const part: unknown = (value as Readonly<Record<string, unknown>>)[key]
          if (part === undefined) continue
          numbers[at++] = numberOf(key)
          at = write(part, at)
        }
      }
      numbers[at++] = 8
      return at
    }
    default:
      throw new Error(`a state has a ${typeof value}`)
  }
}

/** Of a state of plain data: numbers, texts, booleans, null, lists and records. */
export const stateHash = (state: object): number => {
  const length = write(state, 0)
  if (length > numbers.length) throw new Error("a state is too large")
  return hash(numbers, length)
}
