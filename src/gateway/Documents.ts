/**
 * `/openapi.json` and `/docs`: made once, when they are first asked for.
 *
 * The page is of three files of our own. Its policy allows no other origin, no inline script and no framing; what is
 * typed into it as a token stays in the page's memory and goes to this address only.
 */
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { openApi } from "./OpenApi.ts"
import type { PublicRow } from "./PublicRow.ts"

const policy = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer"
}

const file = (name: string, type: string) => {
  let body: string | null = null
  return Effect.sync(() => {
    body ??= readFileSync(new URL(`./docs/${name}`, import.meta.url), "utf8")
    return { status: 200, body, headers: { "Content-Type": `${type}; charset=utf-8`, ...policy } }
  })
}

let document: string | null = null
const described = Effect.sync(() => {
  document ??= JSON.stringify(openApi())
  return { status: 200, body: document, headers: {} }
})

export const rows: ReadonlyArray<PublicRow> = [
  { method: "GET", path: "/openapi.json", about: "This document.", serve: described },
  { method: "GET", path: "/docs", about: "A page to read and try it.", serve: file("page.html", "text/html") },
  { method: "GET", path: "/docs/page.js", about: "The page's script.", serve: file("page.js", "text/javascript") },
  { method: "GET", path: "/docs/page.css", about: "The page's style.", serve: file("page.css", "text/css") }
]
