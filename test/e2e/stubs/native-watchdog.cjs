// Stands in for native-watchdog, which is not compiled here: the process ends when its parent has gone.
exports.start = parent => {
  const timer = setInterval(() => {
    try {
      process.kill(parent, 0);
    } catch {
      process.exit(87);
    }
  }, 1000);
  timer.unref();
};
