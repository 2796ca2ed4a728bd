/**
 * Tests that walk through all states of a model: most of the time of all unit tests. `npm run check` does not take
 * them, nor does the sample of faults in `npm test`, of which one would take as long as all the others.
 */
export const models: ReadonlyArray<string> = [
  "coherence/protocol",
  "domain/grantLife/GrantLife",
  "domain/grantLife/GrantLifeRotating",
  "domain/rotationLife/RotationLife"
].map((name) => `test/unit/${name}.test.ts`)
