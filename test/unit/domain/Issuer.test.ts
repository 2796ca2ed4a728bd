// Verifies R-ACC-4.
import { assert, it } from "vitest"
import { mayNameKeysAt } from "../../../src/domain/Issuer.ts"

it.each([
  ["https://id.example.com", "http://127.0.0.1:8080/keys", false],
  ["https://id.example.com", "http://localhost/keys", false],
  ["https://id.example.com", "https://[::1]/keys", false],
  ["https://id.example.com", "https://keys.example.com/keys", true],
  ["http://127.0.0.1:1/realm", "http://127.0.0.1:2/keys", true]
])("%s may say that its keys are at %s: %s", (issuer, jwksUri, may) => {
  assert.strictEqual(mayNameKeysAt(issuer, jwksUri), may)
})
