// Verifies R-GWY-7.
/**
 * The page of /docs as a person opens it: in Debian's Chromium where there is one, and by what it says of itself everywhere.
 *
 * The picture in docs/gateway.md is one that this test takes: `UPDATE_PICTURES=1` writes it anew.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join, resolve } from "node:path"
import { afterAll, assert, beforeAll, it } from "vitest"
import { rows } from "../../src/gateway/Table.ts"
import { findChromium, openPage, type Page } from "../support/chromium.ts"
import { eventually } from "../support/eventually.ts"
import { type GatewayProcess, http, startGateway } from "../support/gateway.ts"
import { type ShippedBus, startShippedBus } from "../support/shippedBus.ts"

const picture = join(resolve(import.meta.dirname, "../.."), "docs/gateway-docs.png")
const pictureBytesMax = 300_000
const png = Buffer.from("89504e470d0a1a0a", "hex")

let bus: ShippedBus
let gateway: GatewayProcess
beforeAll(async () => {
  bus = await startShippedBus()
  gateway = await startGateway({ natsUrl: bus.url, password: bus.passwords.gateway! })
})
afterAll(async () => {
  await gateway?.stop()
  await bus?.stop()
})

it("by what it says: a policy that lets nothing in but its own, and references to nothing else", async () => {
  const page = await http(gateway.url, "GET", "/docs")
  const policy = new Map(
    page
      .header("content-security-policy")!
      .split("; ")
      .map((one) => one.split(" ") as [string, ...ReadonlyArray<string>])
      .map(([name, ...sources]) => [name, sources.join(" ")])
  )
  assert.deepStrictEqual(Object.fromEntries(policy), {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'"
  })
  const used = Array.from(
    page.text.matchAll(/(?:src|href|action|data|poster|srcset)\s*=\s*["']?([^"'\s>]+)/giu),
    ([, at]) => at!
  )
  assert.sameMembers(used, ["/docs/page.css", "/docs/page.js", "/openapi.json"])
  for (const at of used) {
    const { status, text } = await http(gateway.url, "GET", at)
    assert.strictEqual(status, 200, at)
    if (at.startsWith("/docs/")) assert.notMatch(text, /https?:|\/\/[a-z]|@import|url\(/iu, at)
  }
})

const chromium = findChromium()
// Without a browser the page's own words are all there is to look at: the test above. Nothing is said to have been seen then.
if (chromium === null) {
  it("no Chromium is installed: what it shows was not looked at, and the picture in the docs is what one showed", () => {
    assert.deepStrictEqual(readFileSync(picture).subarray(0, 8), png)
  })
} else {
  it("in Chromium: it shows every operation, asks no other origin, and cannot", async () => {
    const foreign = { asked: 0 }
    const other = createServer((_request, response) => {
      foreign.asked += 1
      response.writeHead(200, { "access-control-allow-origin": "*" }).end("foreign")
    })
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done))
    const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    const page: Page = await openPage(chromium, `${gateway.url}/docs`, { width: 1_000, height: 760 })
    const shown = await eventually(
      () => page.evaluate(`document.querySelectorAll("details").length`),
      (count) => typeof count === "number" && count > rows.length,
      { limitMs: 60_000, what: "the operations on the page" }
    )
    assert.isAtLeast(Number(shown), rows.length + 5)
    const own = new URL(gateway.url).origin
    const paths = page.requested.map((url) => new URL(url)).filter(({ protocol }) => protocol !== "data:")
    assert.deepStrictEqual(
      paths.filter(({ origin }) => origin !== own),
      []
    )
    // What was looked at is what the page does: it did ask for these.
    for (const path of ["/docs", "/docs/page.css", "/docs/page.js", "/openapi.json"]) {
      assert.include(
        paths.map(({ pathname }) => pathname),
        path
      )
    }
    assert.deepStrictEqual(
      page.complaints.filter((text) => !text.includes("favicon")),
      []
    )
    // An operation is tried as a person does.
    const answered = await page.evaluate(`(async () => {
      const box = [...document.querySelectorAll("details")].find((one) => one.textContent.includes("/health"))
      box.open = true
      box.querySelector("button").click()
      for (let tries = 0; tries < 200 && !box.querySelector("pre").textContent.startsWith("200"); tries++)
        await new Promise((done) => requestAnimationFrame(done))
      return box.querySelector("pre").textContent
    })()`)
    assert.match(String(answered), /^200[\s\S]*"status": "up"/u)
    const taken = await (async () => {
      await page.evaluate(`document.querySelectorAll("details")[2].open = true; scrollTo(0, 0)`)
      return page.picture()
    })()
    assert.deepStrictEqual(taken.subarray(0, 8), png)
    assert.isBelow(taken.length, pictureBytesMax)
    if (process.env.UPDATE_PICTURES === "1") writeFileSync(picture, taken)
    // Should anything on it ever try: the policy stops a request, an image, a script and a frame, and no byte leaves.
    const tried = await page.evaluate(`(async () => {
      const failed = await fetch("${elsewhere}/fetch").then(() => "went", () => "stopped")
      for (const [name, key] of [["img", "src"], ["script", "src"], ["iframe", "src"], ["link", "href"]]) {
        const element = document.createElement(name)
        if (name === "link") element.rel = "stylesheet"
        element[key] = "${elsewhere}/" + name
        document.body.append(element)
      }
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
      return failed
    })()`)
    assert.strictEqual(tried, "stopped")
    await eventually(
      () => page.complaints.filter((text) => text.includes("Content Security Policy")).length,
      (count) => count >= 4,
      { limitMs: 20_000, what: "the policy's complaints" }
    )
    assert.strictEqual(foreign.asked, 0)
    await page.close()
    other.close()
  })
}

it("the picture in the docs is a small PNG, and the docs show it", () => {
  assert.deepStrictEqual(readFileSync(picture).subarray(0, 8), png)
  assert.isBelow(statSync(picture).size, pictureBytesMax)
  assert.include(readFileSync(join(picture, "../gateway.md"), "utf8"), "](gateway-docs.png)")
})
