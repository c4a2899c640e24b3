// The types of the methods: those of openapi-fetch, less the error, which the methods throw.
import type { MaybeOptionalInit, ParseAs, ParseAsResponse } from "openapi-fetch";
import type { HttpMethod, PathsWithMethod, RequiredKeysOf, ResponseObjectMap, SuccessResponse } from "openapi-typescript-helpers";
import type { paths } from "./schema.js";

type PathOf<M extends HttpMethod> = PathsWithMethod<paths, M>;
/** What a method takes after the path: parameters, a body, headers, a signal. */
export type Init<Path extends keyof paths, M extends HttpMethod & keyof paths[Path]> = NonNullable<MaybeOptionalInit<paths[Path], M>>;
export type Arguments<I> = RequiredKeysOf<I> extends never ? [I?] : [I];
type Body<Path extends keyof paths, M extends HttpMethod & keyof paths[Path]> =
  ResponseObjectMap<paths[Path][M]> extends infer Responses extends Record<number, unknown>
    ? SuccessResponse<Responses, "application/json">
    : never;

export interface Result<T> {
  /** The body of the response. */
  data: T;
  response: Response;
}

// Not generic in the whole argument, as openapi-fetch is: then the compiler would not find fields that do not exist.
export type Method<M extends HttpMethod> = <Path extends PathOf<M>, P extends ParseAs = "json">(
  path: Path,
  ...init: Arguments<Init<Path, M> & { parseAs?: P }>
) => Promise<Result<ParseAsResponse<Body<Path, M>, { parseAs: P }>>>;

export interface Page<T> {
  data: T[];
  has_more: boolean;
  next_cursor: string | null;
}
/** The paths of lists. */
export type ListPath = { [Path in PathOf<"get">]: Body<Path, "get"> extends Page<unknown> ? Path : never }[PathOf<"get">];
export type Item<Path extends ListPath> = Body<Path, "get"> extends Page<infer T> ? T : never;

export type PostPath = PathOf<"post">;
type HeadersOf<Path extends PostPath> = NonNullable<paths[Path]["post"]["parameters"]["header"]>;
type TakesKey<Path extends PostPath> = [HeadersOf<Path>] extends [never] ? false : "Idempotency-Key" extends keyof HeadersOf<Path> ? true : false;
/** The paths to which a request with an Idempotency-Key can be sent. */
export type KeyedPath = { [Path in PostPath]: TakesKey<Path> extends true ? Path : never }[PostPath];
