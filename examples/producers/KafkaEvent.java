import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

public class KafkaEvent {
  public static void main(String[] args) throws Exception {
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers", System.getenv("KAFKA"),
            "acks", "all",
            "enable.idempotence", true); // and no partitioner.class: the default is right
    var text = new StringSerializer();
    try (var producer = new KafkaProducer<>(settings, text, text)) {
      var topic = System.getenv().getOrDefault("EVENTS_TOPIC", "hooklane.events");
      // key = the subscriber
      var event = new ProducerRecord<>(topic, "acme", "{\"order\": 4717}");
      Map.of(
              "ce_specversion", "1.0",
              "ce_id", "order-4717-paid",
              "ce_source", "/shop",
              "ce_type", "order.paid",
              "content-type", "application/json")
          .forEach((name, value) ->
              event.headers().add(name, value.getBytes(StandardCharsets.UTF_8)));
      producer.send(event).get();
    }
  }
}
