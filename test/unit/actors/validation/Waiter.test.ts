// Verifies R-INP-2, R-LIM-3.
import { assert, describe, it } from "vitest"
import { heldBytesMax } from "../../../../src/actors/tenant/HeldRefusals.ts"
import { badRequest, tooMany } from "../../../../src/actors/validation/ValidationReply.ts"
import { leaving, waiterForBytes, waiterForTexts } from "../../../../src/actors/validation/Waiter.ts"
import { EndpointTokenValidationRequest, EndpointTokenValidationResponse } from "../../../../src/schema/Ecap.ts"
import { RequestFrame } from "../../../../src/schema/EcapFrame.ts"

describe("who waits with a request in bytes", () => {
  it("keeps its correlation id alone, and nothing of what the socket gave, once it is to keep little", () => {
    const names = { appName: "app", token: "t".repeat(40) }
    const request = EndpointTokenValidationRequest.encode({
      correlationId: "c-1",
      timestamp: 0n,
      timeout: 0n,
      ...names
    })
    const read = Buffer.from(request)
    const frame = new RequestFrame()
    assert.isTrue(frame.read(read))
    const replies: Array<Uint8Array> = []
    let askers = 0
    const waiter = waiterForBytes(
      read,
      frame,
      (reply) => void replies.push(reply),
      () => void askers++
    )
    assert.strictEqual(waiter.keepLittle(), "c-1".length)
    assert.strictEqual(askers, 1, "who asked keeps its message")
    read.fill(0)
    waiter.answer(tooMany, 0)
    const answers = replies.map((reply) => EndpointTokenValidationResponse.decode(reply))
    assert.lengthOf(answers, 1)
    assert.deepInclude(answers[0], { correlationId: "c-1", statusCode: 429 })
  })

  it("is answered once, as is who waits with texts, whatever comes behind it", () => {
    const request = { correlationId: "c", timestamp: 0n, timeout: 0n, appName: "app", token: "t" }
    const read = Buffer.from(EndpointTokenValidationRequest.encode(request))
    const frame = new RequestFrame()
    assert.isTrue(frame.read(read))
    const statuses: Array<number> = []
    const bytes = waiterForBytes(read, frame, (_, status) => void statuses.push(status))
    const texts = waiterForTexts(null, false, ({ statusCode }) => void statuses.push(statusCode))
    const left = leaving(texts, () => void statuses.push(0))
    for (const waiter of [bytes, left]) for (const answer of [tooMany, badRequest]) waiter.answer(answer, 0)
    assert.deepStrictEqual(statuses, [429, 0, 429])
  })

  it("makes no copy of a correlation id that is longer than what is held", () => {
    const correlationId = "c".repeat(heldBytesMax + 1)
    const request = { correlationId, timestamp: 0n, timeout: 0n, appName: "app", token: "t" }
    const read = Buffer.from(EndpointTokenValidationRequest.encode(request))
    const frame = new RequestFrame()
    assert.isTrue(frame.read(read))
    const replies: Array<Uint8Array> = []
    const waiter = waiterForBytes(read, frame, (reply) => void replies.push(reply), assert.fail)
    assert.strictEqual(waiter.keepLittle(), heldBytesMax + 1)
    read.fill(0x64, frame.correlationStart, frame.correlationEnd)
    waiter.answer(tooMany, 0)
    assert.strictEqual(EndpointTokenValidationResponse.decode(replies[0]!)?.correlationId, "d".repeat(heldBytesMax + 1))
  })
})
