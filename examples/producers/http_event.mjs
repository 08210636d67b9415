const event = {
  subscriber: "acme",
  type: "order.paid",
  id: "order-4712-paid",
  source: "/shop",
  ordering_key: "order-4712",
  data: { order: 4712, amount: "42.00" },
};
const answer = await fetch(process.env.HOOKLANE_URL + "/v1/events", {
  method: "POST",
  headers: {
    authorization: "Bearer " + process.env.HOOKLANE_KEY,
    "content-type": "application/json",
  },
  body: JSON.stringify(event),
  signal: AbortSignal.timeout(10_000),
});
if (answer.status !== 202) throw new Error(await answer.text());
console.log(await answer.json());
