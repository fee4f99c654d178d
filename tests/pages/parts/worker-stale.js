self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (event.request.mode !== "navigate") return;
  const old = "<!doctype html><title>Shop</title><h1>Summer sale 2019</h1><p>Call us between 9 and 17 o'clock.</p>";
  event.respondWith(new Response(old, { headers: { "content-type": "text/html" } }));
});
