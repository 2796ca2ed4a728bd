/** The one setting that everybody has who asks other systems over HTTP. */
import * as Setting from "./Setting.ts"

export const httpInsecure = Setting.flag({
  name: "CM_HTTP_INSECURE",
  byDefault: false,
  about: "Allows other systems to be asked over HTTP without TLS, also where they are not on this machine."
})
