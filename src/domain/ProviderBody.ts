/**
 * The body of a provider's answer, read leniently: JSON, a form, or what a broken one still says. Pure, never throws, in
 * a time that grows with the body's length alone.
 */

export interface ReceivedBody {
  readonly text: string
  /** Lower case. */
  readonly contentType: string
  /** It did not come whole. */
  readonly isCut: boolean
}

export type Json = unknown

const parseJson = (text: string): Json | undefined => {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** The text up to there, with what closes its objects and lists. */
const closedAt = (text: string, end: number): string => {
  const open: Array<string> = []
  let inText = false
  for (let at = 0; at < end; at++) {
    const char = text[at]
    if (char === '"') inText = !inText
    else if (inText) at += char === "\\" ? 1 : 0
    else if (char === "{" || char === "[") open.push(char === "{" ? "}" : "]")
    else if (char === "}" || char === "]") open.pop()
  }
  return text.slice(0, end) + open.toReversed().join("")
}

/** Of JSON that ends in the middle all members that came whole; of a form all but the last. */
const mended = (text: string): string => {
  if (!/^[[{]/u.test(text)) return text.slice(0, Math.max(0, text.lastIndexOf("&")))
  let [textEnd, commaAt, inText] = [0, 0, false]
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === "\\" && inText) at++
    else if (char === '"') {
      inText = !inText
      if (!inText) textEnd = at + 1
    } else if (char === "," && !inText) commaAt = at
  }
  const closed = closedAt(text, textEnd)
  // A text that is a name and no value makes no JSON.
  return parseJson(closed) === undefined ? closedAt(text, commaAt) : closed
}

/** An object or a list. */
const jsonOf = ({ isCut, text }: ReceivedBody): Json | undefined => {
  const whole = text.trim()
  const json = parseJson(whole) ?? (isCut ? parseJson(mended(whole)) : undefined)
  return typeof json === "object" && json !== null ? json : undefined
}

/** The form that a few providers answer with. */
const formOf = ({ contentType, isCut, text }: ReceivedBody): Json | undefined => {
  const form = isCut ? mended(text.trim()) : text.trim()
  if (!contentType.includes("form") && !/^[\w.]+=[^&\s]*(?:&[\w.]+=[^&\s]*)*$/u.test(form)) return undefined
  return Object.fromEntries(new URLSearchParams(form))
}

/** The names on the way (RFC 6901). */
const namesOf = (pointer: string): ReadonlyArray<string> =>
  pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))

/** What stands at a JSON pointer (RFC 6901); undefined when nothing does. */
export const at = (value: Json, pointer: string): Json | undefined => {
  let here = value
  for (const key of namesOf(pointer)) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined
    here = (here as Record<string, Json>)[key]
  }
  return here
}

// ---- what a broken one still says ------------------------------------------------

/** JSON's escapes (RFC 8259, section 7), and those of JavaScript that some write in their place; another one stays as it is. */
const escapes = /\\(?:u([\da-fA-F]{4})|x([\da-fA-F]{2})|(["'\\/bfnrt]))/gu
const named: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }

const unescaped = (text: string): string =>
  text.replace(escapes, (_, four?: string, two?: string, one?: string) =>
    one === undefined ? String.fromCharCode(Number.parseInt(four ?? two!, 16)) : (named[one] ?? one)
  )

/**
 * A member's name, quoted or not, and its text up to the quote that ends it, or its number. So many blanks and no more: a
 * name may be blanks itself, and each place in a long run of them would be looked at to its end.
 */
const memberOf = (name: string): RegExp =>
  new RegExp(
    `(?<![\\w-])(["']?)${name.replace(/[.*+?^${}()|[\]\\/]/gu, "\\$&")}\\1\\s{0,64}(?::|=>?)\\s{0,64}(?:(["'])((?:\\\\[^]|(?!\\2)[^\\\\])*)\\2|(-?\\d+(?:\\.\\d+)?)(?![\\w.]))`,
    "gu"
  )

/** All that the body gives this name, in order. */
const membersOf = (body: string, name: string): ReadonlyArray<string | number> =>
  Array.from(body.matchAll(memberOf(name)), ([, , , text, number]) =>
    text === undefined ? Number(number) : unescaped(text)
  )

/**
 * What a body that is no JSON still says at these pointers: members that stand in it whole, whatever is before, between or
 * behind them. What is below what cannot be told in such a body, so that the last name alone counts, and of several the
 * last that is not `isKnown`. Undefined where the first pointer has none.
 */
const salvaged = (
  body: string,
  pointers: readonly [string, ...ReadonlyArray<string>],
  isKnown: (text: string) => boolean
): Json | undefined => {
  // UTF-16 of plain letters is every second character of it.
  const text = body.replaceAll("\0", "")
  // Without a prototype: names are what a tenant's entry says.
  const whole: Record<string, unknown> = Object.create(null)
  for (const [index, pointer] of pointers.entries()) {
    const names = namesOf(pointer)
    const last = names.at(-1) ?? ""
    const found = membersOf(text, last).findLast((one) => one !== "" && !isKnown(String(one)))
    if (index === 0 && typeof found !== "string") return undefined
    if (found === undefined) continue
    let here = whole
    for (const name of names.slice(0, -1)) {
      here[name] ??= Object.create(null)
      here = here[name] as Record<string, unknown>
    }
    here[last] = found
  }
  return whole
}

/**
 * The members of a body; undefined: it has none that can be read. Of one that is broken only what brings a text at the first
 * pointer that is not `isKnown`: what else it may say can be had again.
 */
export const membersIn = (
  body: ReceivedBody,
  pointers: readonly [string, ...ReadonlyArray<string>],
  isKnown: (text: string) => boolean
): Json | undefined => {
  const [first] = pointers
  const json = jsonOf(body)
  if (json !== undefined && (!Array.isArray(json) || at(json, first) !== undefined)) return json
  const form = formOf(body)
  if (form !== undefined && at(form, first) !== undefined) return form
  return salvaged(body.text, pointers, isKnown) ?? json ?? form
}
