/**
 * Which addresses of other systems may be asked over HTTP.
 *
 * With TLS any; without it only this machine, since what is sent is a secret or decides who is believed.
 * `insecure` lifts that for networks that protect it themselves.
 *
 * Source: contract, section 8.2, "Keys".
 */

const loopbackHost = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u

/** The address as given, or why it may not be asked. */
export const httpAddressProblem = (text: string, insecure: boolean): string | null => {
  if (!URL.canParse(text)) return "is not an address"
  const { hostname, password, protocol, username } = new URL(text)
  if (username !== "" || password !== "") return "holds a user or a password"
  if (protocol === "https:") return null
  if (protocol !== "http:") return "is neither https nor http"
  return insecure || loopbackHost.test(hostname) ? null : "has no TLS; CM_HTTP_INSECURE=true allows that"
}

/** Whether the address is this machine's own, by its text. */
export const isLoopbackAddress = (text: string): boolean =>
  URL.canParse(text) && loopbackHost.test(new URL(text).hostname)
