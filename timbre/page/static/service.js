// The service worker of a page without a server: keeps the page's files for when its host does not answer.
const KEPT = `timbre ${self.registration.scope}`;

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(keepAll());
});
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(self.registration.scope)) event.respondWith(answer(event.request));
});

async function keepAll() {
  const names = await (await fetch("data/files.json")).json();
  await (await caches.open(KEPT)).addAll(names);
}

// What the host answers, so that a page that was exported again is the new one; what is kept, if it does not answer.
async function answer(request) {
  const kept = await caches.open(KEPT);
  try {
    const found = await fetch(request);
    if (found.ok) await kept.put(request, found.clone());
    return found;
  } catch {
    return (await kept.match(request, { ignoreSearch: true })) || Response.error();
  }
}
