/** `rotator.*`: what travels. Contract 10.5. */
import { Schema } from "effect"
import { providerOrigins } from "../domain/ProviderEntry.ts"
import { alphabetPattern, generatedLengthMax, rotatorKinds, rotatorNamePattern } from "../domain/Rotator.ts"
import { atMost, Nothing } from "./Field.ts"

const Name = Schema.String.check(Schema.isPattern(rotatorNamePattern))
const SealTo = Schema.String.check(atMost(128)).annotate({
  description: "a public curve key of nkeys, X…: what secrets for the rotator are sealed to"
})
const Generate = Schema.Struct({
  length: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: generatedLengthMax })),
  alphabet: Schema.String.check(Schema.isPattern(alphabetPattern))
}).annotate({ description: "the service makes new secrets itself: so many characters of these, by chance" })

export const PutRotator = Schema.Struct({
  name: Name,
  seal_to: SealTo,
  generate: Schema.optionalKey(Generate)
})
export const NameRotator = Schema.Struct({ name: Name })
export const ListRotators = Nothing

export const RotatorAnswer = Schema.Struct({
  name: Schema.String,
  kind: Schema.Literals(rotatorKinds),
  origin: Schema.Literals(providerOrigins),
  seal_to: Schema.optionalKey(Schema.String),
  generate: Schema.optionalKey(Schema.Struct({ length: Schema.Int, alphabet: Schema.String }))
})
export const RotatorList = Schema.Struct({ content: Schema.Array(RotatorAnswer) })
export const DeletedRotator = Schema.Struct({ deleted: Schema.Literals([1]) })
