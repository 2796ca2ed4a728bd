// The page of /docs: what openapi.json says, to read and to try. Plain DOM; whatever comes from anywhere is text.
const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties)
  element.append(...children)
  return element
}
const token = document.getElementById("token")

const field = (parameter) => {
  const input = make("input", {
    placeholder: parameter.schema.default === undefined ? "" : String(parameter.schema.default)
  })
  const label = make("label", {}, `${parameter.name}${parameter.required ? " *" : ""} `)
  label.append(make("span", { className: "quiet" }, parameter.description ?? parameter.in), input)
  return { parameter, input, label }
}

const targetOf = (path, fields) => {
  const query = new URLSearchParams()
  let filled = path
  for (const { input, parameter } of fields) {
    if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value))
    if (parameter.in !== "query" || input.value === "") continue
    const values = parameter.schema.type === "array" ? input.value.split(",") : [input.value]
    for (const value of values) query.append(parameter.name, value.trim())
  }
  const text = query.toString()
  return text === "" ? filled : `${filled}?${text}`
}

const headersOf = (fields, body, isOpen) => {
  const headers = {}
  if (!isOpen && token.value !== "") headers.Authorization = `Bearer ${token.value.trim()}`
  if (body !== undefined) headers["Content-Type"] = "application/json"
  for (const { input, parameter } of fields)
    if (parameter.in === "header" && input.value !== "") headers[parameter.name] = input.value
  return headers
}

const shown = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

const operation = (method, path, about) => {
  const fields = (about.parameters ?? []).map(field)
  const example = about.requestBody?.content["application/json"]?.example
  const body =
    about.requestBody === undefined ? undefined : make("textarea", { rows: 5, value: JSON.stringify(example, null, 2) })
  const answer = make("pre", { hidden: true })
  const isOpen = about.security?.length === 0
  const send = async () => {
    answer.hidden = false
    answer.textContent = "…"
    const text = body?.value.trim() === "" ? undefined : body?.value
    try {
      const response = await fetch(targetOf(path, fields), {
        method,
        headers: headersOf(fields, text, isOpen),
        body: text
      })
      const kept = ["etag", "location", "correlation-id", "retry-after"].flatMap((name) =>
        response.headers.get(name) === null ? [] : [`${name}: ${response.headers.get(name)}\n`]
      )
      answer.textContent = `${response.status}\n${kept.join("")}\n${shown(await response.text())}`
    } catch (error) {
      answer.textContent = String(error)
    }
  }
  const box = make(
    "details",
    {},
    make("summary", {}, make("b", { className: method }, method), make("code", {}, path), ` ${about.summary}`)
  )
  box.append(...fields.map(({ label }) => label))
  if (body !== undefined) box.append(make("label", {}, "body", body))
  const streams = about.responses[200]?.content?.["text/event-stream"] !== undefined
  if (streams) box.append(make("p", { className: "quiet" }, "A stream: read it with curl -N."))
  else box.append(make("button", { type: "button", onclick: send }, "Send"), answer)
  return box
}

const show = (api) => {
  document.getElementById("version").textContent = api.info.version
  document.getElementById("about").textContent = api.info.description
  const byTag = new Map()
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, about] of Object.entries(methods)) {
      const tag = about.tags[0]
      byTag.set(tag, [...(byTag.get(tag) ?? []), operation(method.toUpperCase(), path, about)])
    }
  }
  for (const [tag, boxes] of byTag) document.getElementById("operations").append(make("h2", {}, tag), ...boxes)
}

fetch("/openapi.json")
  .then((response) => response.json())
  .then(show)
  .catch((error) => {
    document.getElementById("about").textContent = String(error)
  })
