/**
 * Whether a number of a JSON text comes back as it was written.
 *
 * JavaScript keeps a number in 64 bits of floating point: `9007199254740993` comes back as …992, `1e400`
 * not at all. A number is taken when the shortest text of what is kept is the same number: another
 * spelling of it (`1.0`, `1e2`, `0.10`) is no other number. `-0` is none: it would come back as `0`.
 */

/** So many decimal digits survive any way through 64 bits. */
const digitsSafe = 15

interface Decimal {
  readonly isNegative: boolean
  /** Without zeros at either end; empty for zero. */
  readonly digits: string
  /** The power of ten of the last digit. */
  readonly exponent: number
}

const decimalOf = (text: string): Decimal => {
  const [mantissa = "", power = "0"] = text.toLowerCase().split("e")
  const isNegative = mantissa.startsWith("-")
  const [whole = "", fraction = ""] = mantissa.slice(isNegative ? 1 : 0).split(".")
  const written = whole + fraction
  let end = written.length
  while (end > 0 && written[end - 1] === "0") end--
  let start = 0
  while (start < end && written[start] === "0") start++
  const digits = written.slice(start, end)
  const exponent = digits === "" ? 0 : Number(power) - fraction.length + (written.length - end)
  return { isNegative, digits, exponent }
}

/** `text` is a number as JSON writes one. */
export const comesBack = (text: string): boolean => {
  if (text.length <= digitsSafe && /^(?:0|-?[1-9]\d*)$/u.test(text)) return true
  const value = Number(text)
  if (!Number.isFinite(value) || Object.is(value, -0)) return false
  const [written, kept] = [decimalOf(text), decimalOf(String(value))]
  return written.digits === kept.digits && written.exponent === kept.exponent && written.isNegative === kept.isNegative
}
