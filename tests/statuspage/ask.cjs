// Asks a page for everything that the client knows to ask for, and prints the answers.
const { Statuspage } = require(`${process.env.CLIENT}/node_modules/statuspage.io`);

async function main() {
  const client = new Statuspage("anything");
  // The client knows the addresses of one provider only; the paths behind them are what is asked for here.
  client.apiClient.defaults.baseURL = process.env.PAGE;
  const answers = {
    summary: await client.api.getSummary(),
    status: await client.api.getStatus(),
    components: await client.api.getComponents(),
    incidents: await client.api.incidents.getAll(),
    unresolved: await client.api.incidents.getUnresolved(),
    maintenances: await client.api.scheduledMaintenances.getAll(),
    active: await client.api.scheduledMaintenances.getActive(),
    upcoming: await client.api.scheduledMaintenances.getUpcoming(),
  };
  process.stdout.write(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
