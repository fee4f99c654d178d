// It waits for messages that never come.
onmessage = () => {};
