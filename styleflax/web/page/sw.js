/**
 * Keeps the page's own files, so that it works without a network after the first visit, and marks
 * them as isolated, so that from the second visit on the processor's threads may be used.
 */

const VERSION = "development";
const CACHE = `styleflax-${VERSION}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const response = await fetch("site.json", { cache: "no-cache" });
      const { offline } = await response.json();
      const cache = await caches.open(CACHE);
      // What the browser has of an earlier version is asked for again, if it has changed.
      const names = ["./", "site.json", ...offline];
      await cache.addAll(names.map((name) => new Request(name, { cache: "no-cache" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const old = (await caches.keys()).filter((name) => name !== CACHE);
      await Promise.all(old.filter((name) => name.startsWith("styleflax-")).map((n) => caches.delete(n)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const own = url.href.startsWith(self.registration.scope);
  const path = url.href.slice(self.registration.scope.length);
  if (event.request.method === "GET" && own && !path.startsWith("api/")) {
    event.respondWith(answer(event));
  }
});

async function answer(event) {
  const { request } = event;
  const cache = await caches.open(CACHE);
  const known = await cache.match(request, { ignoreSearch: request.mode === "navigate" });
  if (known) return isolated(known);
  const response = await fetch(request);
  // Meanwhile, so that progress is seen; where there is no room for it, the page works without.
  if (response.ok) event.waitUntil(cache.put(request, response.clone()).catch(() => {}));
  return isolated(response);
}

function isolated(response) {
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
