// A vendor's launcher: a button at the lower right that opens the chat.
const launcher = document.createElement("button");
launcher.id = "chat";
launcher.textContent = "Chat with us";
launcher.onclick = () => openPanel();
document.body.append(launcher);
