/** What a Markdown page links to, and the anchors that GitHub gives its headings. */
import { readFileSync } from "node:fs"

/** A page without its blocks of code, of which each line stays as an empty one. */
const withoutBlocks = (text: string) =>
  text.replace(/^( {0,3})(`{3,}|~{3,})[^\n]*\n(?:[\s\S]*?\n)?? *\2[^\n]*$/gmu, (block) => block.replace(/[^\n]/gu, ""))

/** What is between backticks is shown as it stands: no link, and of a heading the letters alone. */
const code = /(?<!`)(`+)(?!`)((?:(?!\n\n)[\s\S])*?[^`])\1(?!`)/gu

const htmlAnchors = (text: string) =>
  Array.from(text.matchAll(/<a\s[^>]*?\b(?:id|name)="([^"]+)"/gu), ([, name]) => name!)

/** GitHub's rule: letters, numbers, `-` and `_`, in small letters, a `-` for each blank. */
const anchorOf = (heading: string) =>
  heading
    .replace(code, "$2")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/gu, "$1")
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-")

/** Every anchor of a page: one that was there is followed by `-1`, `-2` where it comes again. */
export const anchorsIn = (text: string): ReadonlySet<string> => {
  const page = withoutBlocks(text)
  const anchors = new Set(htmlAnchors(page))
  for (const [, heading] of page.matchAll(/^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$/gmu)) {
    const anchor = anchorOf(heading!)
    let name = anchor
    for (let times = 1; anchors.has(name); times++) name = `${anchor}-${times}`
    anchors.add(name)
  }
  return anchors
}
export const anchorsOf = (file: string) => anchorsIn(readFileSync(file, "utf8"))

export interface Link {
  readonly line: number
  readonly target: string
}
/** Links, images, definitions of links, and what HTML names, in the order of their kinds. */
export const linksIn = (text: string): ReadonlyArray<Link> => {
  const page = withoutBlocks(text).replace(code, (span) => span.replace(/[^\n]/gu, " "))
  const found = [
    /\]\(\s*(?:<([^>\n]*)>|((?:[^()\s]|\([^()\s]*\))*))(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/gu,
    /^ {0,3}\[[^\]^]+\]:[ \t]*(?:<([^>\n]*)>|(\S+))/gmu,
    /\b(?:href|src)="([^"]*)"/gu,
    /<((?:https?|mailto):[^>]*)>/gu
  ].flatMap((form) => [...page.matchAll(form)])
  return found.map((match) => ({
    line: page.slice(0, match.index).split("\n").length,
    target: match[1] ?? match[2] ?? ""
  }))
}
