// Writes src/schema.ts, the types of the API, from its OpenAPI document.
// Usage: node generate.mjs [DOCUMENT]
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const path = process.argv[2] ?? "../../docs/openapi.json";
const document = JSON.parse(await readFile(path, "utf8"));
// The client throws a Problem for each error response, so their types would be of no use. They are half of the document.
for (const operations of Object.values(document.paths)) {
  for (const operation of Object.values(operations)) {
    for (const status of Object.keys(operation.responses)) {
      if (status >= "400") delete operation.responses[status];
    }
  }
}
// A field with a default may be left out of a request.
const types = await openapiTS(document, { cwd: pathToFileURL(path), defaultNonNullable: false });
await writeFile("src/schema.ts", `// Generated from the OpenAPI document of TrigRun.\n${astToString(types)}`);
