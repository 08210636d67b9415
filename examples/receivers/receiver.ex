defmodule Hooks do
  # Not StandardWebhooks.verify/3: it signs the data written as JSON again, not the raw bytes.
  def ours?(%{"webhook-id" => id, "webhook-timestamp" => stamp} = headers, raw_body, "whsec_" <> secret) do
    key = Base.decode64!(secret)
    mac = :crypto.mac(:hmac, :sha256, key, "#{id}.#{stamp}.#{raw_body}")
    wanted = "v1," <> Base.encode64(mac)
    fresh? = abs(System.os_time(:second) - String.to_integer(stamp)) <= 300

    fresh? and
      headers["webhook-signature"]
      |> String.split(" ")
      |> Enum.any?(&Plug.Crypto.secure_compare(&1, wanted))
  end
end
