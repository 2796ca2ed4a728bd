/**
 * Patterns that a tenant wrote, matched in time linear in the value's length (RE2's syntax and automata).
 *
 * JavaScript's own expressions backtrack: `(a+)+` over forty letters takes longer than anybody lives, and nothing ends
 * it. Here there are no back references and no look-around, a repetition has at most 1,000, and a pattern that needs more is refused.
 */
import { RE2JS } from "re2js"

export interface LinearPattern {
  /** Whether the whole value is of that form. */
  readonly matches: (value: string) => boolean
}

/** Longer values match nothing: they have no place in a URL. */
export const valueLengthMax = 2_048

/** Null: it is no pattern of RE2's syntax. */
export const linearPattern = (text: string): LinearPattern | null => {
  try {
    const compiled = RE2JS.compile(text)
    return { matches: (value) => value.length <= valueLengthMax && compiled.matches(value) }
  } catch {
    return null
  }
}
