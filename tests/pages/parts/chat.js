// A vendor's chat: openPanel() shows the window in which a customer writes.
function openPanel(says = "Hello, how can we help?") {
  if (document.querySelector("#panel")) return;
  const panel = document.createElement("section");
  panel.id = "panel";
  panel.innerHTML = `<p>${says}</p><input placeholder="Write a message"><button>Send</button>`;
  document.body.append(panel);
}
