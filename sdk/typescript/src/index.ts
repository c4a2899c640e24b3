import type { components } from "./schema.js";

export { TrigRun, type RunOptions, type WaitOptions } from "./client.js";
export { VERSION, type Options } from "./http.js";
export type { ListPath, Page, Result } from "./methods.js";
export { Problem, TrigRunError, Unreachable, WaitTimeout, type FieldProblem } from "./problem.js";
export type { paths } from "./schema.js";

/** The types of the API by name: `Schemas["Job"]`. */
export type Schemas = components["schemas"];
export type Job = Schemas["Job"];
export type JobInput = Schemas["JobInput"];
export type JobPatch = Schemas["JobPatch"];
export type Execution = Schemas["Execution"];
