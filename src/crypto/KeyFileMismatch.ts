/**
 * The master key at hand is not the one that the data was written with. The start ends here:
 * going on would make every stored token unknown and every secret lost. The message is one line
 * that says what to do.
 */
import { Schema } from "effect"

export class KeyFileMismatch extends Schema.TaggedError<KeyFileMismatch>()("KeyFileMismatch", {
  message: Schema.String
}) {}
