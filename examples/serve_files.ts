/**
 * A file server: what a URL names is read below one folder or not at all, and every refusal is a status.
 *
 * ```sh
 * deno run --allow-read=FOLDER --allow-net=127.0.0.1:8000 examples/serve_files.ts FOLDER
 * ```
 *
 * @module
 */
import {
  FileSecurityValidator,
  MiB,
  pathFromUrlPathname,
  SecurityError,
  type SecurityErrorCode,
} from "@bartizan/security";

/** What is served; a type that a browser would run is not among them. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".csv": "text/csv; charset=utf-8",
  ".json": "application/json",
  ".md": "text/markdown; charset=utf-8",
  ".png": "image/png",
  ".txt": "text/plain; charset=utf-8",
};

const STATUSES: Partial<Readonly<Record<SecurityErrorCode, number>>> = {
  "path-invalid": 400,

  "path-outside-root": 403,
  "path-forbidden": 403,
  "path-too-deep": 403,
  "extension-denied": 403,
  "symlink-denied": 403,
  "hard-link-denied": 403,
  "special-file": 403,
  "access-denied": 403,

  "not-found": 404,
  "not-a-file": 404,
  "not-a-directory": 404,
  "symlink-loop": 404,

  "file-too-large": 413,
  "name-too-long": 414,

  "rate-limited": 429,
  "too-many-operations": 503,
  "too-many-open-files": 503,
  "audit-unavailable": 503,
  "closed": 503,
};

/** The status of a refusal; what is missing in the table is this server's own trouble. */
export function statusOf(code: SecurityErrorCode): number {
  return STATUSES[code] ?? 500;
}

/** Opens a folder for {@linkcode serveFiles}: nothing in it is changed, and hidden data stays hidden. */
export function openFolder(path: string): Promise<FileSecurityValidator> {
  return FileSecurityValidator.open({
    roots: [{ path, readOnly: true }],
    policy: {
      allowedExtensions: Object.keys(CONTENT_TYPES),
      forbiddenPaths: [".git"],
      maxFileSizeBytes: 10 * MiB,
    },
    resources: { maxConcurrentOperations: 16, maxOperationsPerSecond: 1_000 },
  });
}

/** Makes the handler of a server out of a validator. */
export function serveFiles(files: FileSecurityValidator): (request: Request) => Promise<Response> {
  return async (request) => {
    const { method, url } = request;
    if (method !== "GET" && method !== "HEAD") {
      return new Response("Method not allowed", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    try {
      const path = pathFromUrlPathname(new URL(url).pathname);
      // Deno.serve cancels it when the client is gone, and for HEAD, which then tells the same as GET.
      return new Response(await files.readable(path), {
        headers: { "content-type": contentType(path), "x-content-type-options": "nosniff" },
      });
    } catch (error) {
      if (!(error instanceof SecurityError)) throw error;
      const status = statusOf(error.code);
      // The message names neither a root nor a canonical path.
      return new Response(error.message, {
        status,
        headers: status === 429 || status === 503 ? { "retry-after": "1" } : {},
      });
    }
  };
}

function contentType(path: string): string {
  const extension = path.slice(path.lastIndexOf(".")).toLowerCase();
  return CONTENT_TYPES[extension] ?? "application/octet-stream";
}

if (import.meta.main) {
  await using files = await openFolder(Deno.args[0] ?? ".");
  console.log(`protection: ${files.protection}`);
  await Deno.serve({ hostname: "127.0.0.1", port: 8000 }, serveFiles(files)).finished;
}
