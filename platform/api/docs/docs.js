// The documentation's page: every operation of the description, each with a form to try it. No library, no innerHTML.
"use strict";

const key = document.getElementById("key");
key.value = sessionStorage.getItem("headrace-key") || "";
key.addEventListener("input", () => sessionStorage.setItem("headrace-key", key.value));

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function pretty(value) {
  return JSON.stringify(value, null, 2);
}

function resolve(description, schema) {
  const name = schema && schema.$ref && schema.$ref.split("/").pop();
  return name ? description.components.schemas[name] : schema;
}

// An example body: the one the description gives, or the simplest that fits.
function example(description, schema, depth = 0) {
  const found = resolve(description, schema) || {};
  if (found.examples) return found.examples[0];
  if (found.default !== undefined) return found.default;
  if (found.enum) return found.enum[0];
  const members = found.anyOf || found.oneOf;
  if (members) return example(description, members[0], depth + 1);
  switch (found.type) {
    case "object": {
      const made = {};
      if (depth < 6) {
        for (const name of found.required || []) made[name] = example(description, (found.properties || {})[name], depth + 1);
      }
      return made;
    }
    case "array": return found.minItems && depth < 6 ? [example(description, found.items, depth + 1)] : [];
    case "integer": case "number": return found.minimum || 0;
    case "boolean": return false;
    case "string": return found.format === "date-time" ? new Date().toISOString() : "text";
    default: return null;
  }
}

function field(parameter) {
  const schema = parameter.schema || {};
  const input = make("input", { name: parameter.name, placeholder: String(schema.default ?? (schema.enum || [])[0] ?? "") });
  input.dataset.where = parameter.in;
  const label = make("code", { textContent: parameter.name, className: parameter.required ? "needed" : "" });
  const told = [parameter.in, schema.type || "", parameter.description || schema.description || ""].filter(Boolean).join(" · ");
  return make("tr", {}, make("td", {}, make("label", {}, label)), make("td", {}, input), make("td", { textContent: told }));
}

// The examples of a union's members can be chosen from.
function bodyForm(description, schema, given) {
  const area = make("textarea", { spellcheck: false, value: pretty(given ?? example(description, schema)) });
  area.setAttribute("aria-label", "Body");
  const mapping = (resolve(description, schema).discriminator || {}).mapping;
  if (!mapping) return [area, area];
  const choice = make("select", {}, ...Object.keys(mapping).map((name) => make("option", { textContent: name })));
  choice.setAttribute("aria-label", "Form of the body");
  choice.addEventListener("change", () => {
    area.value = pretty(example(description, { $ref: mapping[choice.value] }));
  });
  return [area, make("div", {}, make("p", {}, choice), area)];
}

async function send(method, path, inputs, area, output) {
  const query = new URLSearchParams();
  const headers = {};
  let target = path;
  for (const input of inputs) {
    if (!input.value) continue;
    if (input.dataset.where === "path") target = target.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.dataset.where === "query") input.value.split(",").forEach((part) => query.append(input.name, part.trim()));
    else headers[input.name] = input.value;
  }
  if (key.value && path.startsWith("/v1")) headers.Authorization = `Bearer ${key.value}`;
  if (area) headers["Content-Type"] = "application/json";
  if (String(query)) target += `?${query}`;
  output.textContent = "…";
  try {
    const began = performance.now();
    const response = await fetch(target, { method: method.toUpperCase(), headers, body: area ? area.value : undefined });
    const first = `${response.status} ${response.statusText} · ${Math.round(performance.now() - began)} ms\n`;
    const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    output.textContent = `${first}${lines}\n\n`;
    if ((response.headers.get("content-type") || "").startsWith("text/event-stream")) {
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) output.textContent += part.value;
      return;
    }
    const text = await response.text();
    let shown = text;
    try { shown = pretty(JSON.parse(text)); } catch { /* not JSON: shown as it is */ }
    output.textContent += shown;
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
}

function operationView(description, path, method, operation) {
  const inside = make("div", { className: "inside" });
  if (operation.description) inside.append(make("p", { textContent: operation.description }));
  if (operation["x-permissions"]) inside.append(make("p", { textContent: `Needs ${operation["x-permissions"].join(", ")}.` }));
  const parameters = operation.parameters || [];
  if (parameters.length) inside.append(make("table", {}, ...parameters.map(field)));
  let area = null;
  if (operation.requestBody) {
    const media = Object.values(operation.requestBody.content)[0];
    const [found, form] = bodyForm(description, media.schema, media.example);
    area = found;
    inside.append(make("h3", { textContent: "Body" }), form);
  }
  const output = make("pre", { hidden: true });
  output.setAttribute("aria-live", "polite");
  const button = make("button", { type: "button", textContent: "Send" });
  button.addEventListener("click", () => {
    output.hidden = false;
    send(method, path, inside.querySelectorAll("input"), area, output);
  });
  const answers = Object.entries(operation.responses).map(([status, response]) => {
    const schema = Object.values(response.content || {})[0]?.schema;
    const name = response.$ref ? response.$ref.split("/").pop() : schema?.$ref ? schema.$ref.split("/").pop() : response.description;
    return `${status}: ${name}`;
  });
  inside.append(make("p", { textContent: `Answers ${answers.join(" · ")}` }), make("p", {}, button), output);
  const summary = make("summary", {},
    make("span", { className: "method", textContent: method.toUpperCase() }),
    make("code", { textContent: path }),
    make("span", { className: "said", textContent: operation.summary || "" }));
  const view = make("details", { id: operation.operationId }, summary, inside);
  view.dataset.words = `${method} ${path} ${operation.summary} ${operation.tags}`.toLowerCase();
  return view;
}

function show(description) {
  document.getElementById("introduction").textContent = `${description.info.description} Version ${description.info.version}.`;
  const groups = new Map(description.tags.map((tag) => [tag.name, []]));
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      groups.get((operation.tags || [])[0])?.push(operationView(description, path, method, operation));
    }
  }
  const place = document.getElementById("operations");
  for (const [name, views] of groups) place.append(make("section", {}, make("h2", { textContent: name }), ...views));
  for (const [name, schema] of Object.entries(description.components.schemas)) {
    const inside = make("div", { className: "inside" }, make("pre", { textContent: pretty(schema) }));
    document.getElementById("schemas").append(make("details", {}, make("summary", {}, make("code", { textContent: name })), inside));
  }
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const view of place.querySelectorAll("details")) view.hidden = !view.dataset.words.includes(wanted);
  });
}

fetch("/schema/openapi.json").then((response) => response.json()).then(show).catch((error) => {
  document.getElementById("introduction").textContent = `The description could not be loaded: ${error.message}`;
});
