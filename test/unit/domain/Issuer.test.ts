// Verifies R-ACC-4.
import { assert, it } from "vitest"
import { httpAddressProblem } from "../../../src/domain/HttpAddress.ts"
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

it.each([
  ["https://id.example.com/realm", null],
  ["http://127.0.0.1:8080/realm", null],
  ["http://id.example.com", "has no TLS; CM_HTTP_INSECURE=true allows that"],
  ["https://anna@id.example.com", "holds a user or a password"],
  ["https://:secret@id.example.com", "holds a user or a password"],
  ["ftp://id.example.com", "is neither https nor http"],
  ["id.example.com", "is not an address"]
])("of the address %s is said: %s", (address, problem) => {
  assert.strictEqual(httpAddressProblem(address, false), problem)
})
